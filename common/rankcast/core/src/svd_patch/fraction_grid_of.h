/* The grid of half samples for lanes of one width: fractions.c includes this with LANE i32 and MANY
 * i32x8, and again with i16 and i16x16. MIDDLE is taken off all samples: those of eight bits then
 * leave room in 16 bits for the sums of both passes, 25088 at most. EIGHT are eight lanes.
 */

enum { OF(LANES) = sizeof(MANY) / sizeof(LANE) };

INLINE MANY OF(load)(const LANE *from) { return *(const OF(any) *)from; }
INLINE void OF(store)(LANE *to, MANY value) { *(OF(any) *)to = value; }
INLINE i32x8 OF(load_eight)(const LANE *from) {
    return __builtin_convertvector(*(const OF(eight_any) *)from, i32x8);
}

/* The filter between two samples, on sums of pairs around them. */
INLINE MANY OF(half_sample)(MANY inner, MANY second, MANY third, MANY outer) {
    MANY sum = 40 * inner - 11 * second + (third << 2) - outer;
    return (sum + (1 << (TAP_BITS - 1))) >> TAP_BITS;
}

/* Between samples of the reference that lie `step` apart, the first of them at `at`. */
INLINE MANY OF(half_samples)(const u16 *at, const i64 step) {
    return OF(half_sample)(OF(load_samples)(at) + OF(load_samples)(at + step),
                           OF(load_samples)(at - step) + OF(load_samples)(at + 2 * step),
                           OF(load_samples)(at - 2 * step) + OF(load_samples)(at + 3 * step),
                           OF(load_samples)(at - 3 * step) + OF(load_samples)(at + 4 * step));
}

/* Between rows of what is half a sample to the right. */
INLINE MANY OF(half_of_rows)(const LANE *at) {
    return OF(half_sample)(
        OF(load)(at) + OF(load)(at + GRID_COLUMNS),
        OF(load)(at - GRID_COLUMNS) + OF(load)(at + 2 * GRID_COLUMNS),
        OF(load)(at - 2 * GRID_COLUMNS) + OF(load)(at + 3 * GRID_COLUMNS),
        OF(load)(at - 3 * GRID_COLUMNS) + OF(load)(at + 4 * GRID_COLUMNS));
}

INLINE void OF(fill_grid)(OF(Grid) *grid, Window from, const i32 side) {
    for (i32 i = 0; i < side + 9; i++)
        for (i32 j = 0; j < side + 2; j += OF(LANES)) {
            const u16 *at = from.samples + i * from.stride + j + TAPS_BEFORE;
            OF(store)(grid->right[i] + j, OF(half_samples)(at, 1));
        }
    for (i32 i = 0; i < side + 2; i++) {
        const u16 *row = from.samples + (i + TAPS_BEFORE) * from.stride + TAPS_BEFORE;
        for (i32 j = 0; j < side + 2; j += OF(LANES)) {
            OF(store)(grid->whole[i] + j, OF(load_samples)(row + j));
            if (i > side) continue;
            OF(store)(grid->below[i] + j, OF(half_samples)(row + j, from.stride));
            OF(store)(grid->both[i] + j, OF(half_of_rows)(grid->right[i + TAPS_BEFORE] + j));
        }
    }
}

/* The samples of the grid that lie `y` and `x` halves away from the patch, -2 to 2. */
INLINE const LANE *OF(from_grid)(const OF(Grid) *grid, i32 y, i32 x) {
    i32 row = (y >> 1) + 1, column = (x >> 1) + 1;
    if (y & 1) return x & 1 ? grid->both[row] + column : grid->below[row] + column;
    return x & 1 ? grid->right[row + TAPS_BEFORE] + column : grid->whole[row] + column;
}

/* Squared differences of the source to the means of two parts of the grid. */
INLINE f32 OF(squares)(const u16 *source, i64 stride, const LANE *a, const LANE *b,
                       const i32 side);

INLINE f32 OF(float_squares)(const u16 *source, i64 stride, const LANE *a, const LANE *b,
                             const i32 side) {
    f32x8 sum = splat_f32x8(0);
    for (i32 i = 0; i < side; i++, source += stride, a += GRID_COLUMNS, b += GRID_COLUMNS)
        for (i32 j = 0; j < side; j += 8) {
            i32x8 mean = (OF(load_eight)(a + j) + OF(load_eight)(b + j) + 1) >> 1;
            f32x8 d = to_f32x8(load_u16x8(source + j) - MIDDLE - mean);
            sum += d * d;
        }
    return fold_f32x8(sum);
}

/* Squared error, in squared steps, of the source to the grid, `by` quarter samples away, -3 to 3. */
INLINE f64 OF(grid_error)(const Encoder *e, const OF(Grid) *grid, const u16 *source,
                          const i32 side, Vector by) {
    i32 top = by.y >> 1, left = by.x >> 1, bottom = (by.y + 1) >> 1, right = (by.x + 1) >> 1;
    if ((by.y & by.x & 1) && !((top + left) & 1)) {
        /* Of the two diagonals, the one whose ends are filtered once only. */
        i32 kept = left;
        left = right;
        right = kept;
    }
    f32 squares = OF(squares)(source, e->slice.width, OF(from_grid)(grid, top, left),
                              OF(from_grid)(grid, bottom, right), side);
    return (f64)squares * e->inverse_step * e->inverse_step;
}

INLINE void OF(search_fractions)(Encoder *e, const Search *find, const i32 side,
                                 OF(Grid) *grid) {
    const Vector whole = e->found;
    const u16 *source = e->source + sample_index(&e->slice, find->y, find->x);
    OF(fill_grid)(grid, grid_window(e, find->y + (whole.y >> 2), find->x + (whole.x >> 2), side),
                  side);
    f64 least = OF(grid_error)(e, grid, source, side, sharp_vector(0, 0)) +
                e->bit_price * vector_bits(whole, find->centre);
    for (i32 fraction = HALF; fraction >= 1; fraction--) {
        const Vector from = e->found;
        for (i32 k = 0; k < ALL_NEIGHBOURS; k++) {
            Vector vector = moved(from, k, fraction);
            if (!within(vector, MAX_VECTOR)) continue;
            Vector by = sharp_vector(vector.y - whole.y, vector.x - whole.x);
            f64 cost = OF(grid_error)(e, grid, source, side, by) +
                       e->bit_price * vector_bits(vector, find->centre);
            if (cost < least) {
                least = cost;
                e->found = vector;
            }
        }
    }
}
