/* Search among the half samples around a whole displacement, then among the quarter samples around
 * the best of these, all eight neighbours each time. Half samples are those of the true filter,
 * made once for all vectors; a quarter sample is taken for the mean of the two half samples beside
 * it, as in ITU-T H.264, which is near enough to choose. */
#include "encoder.h"

enum { HALF = 2, GRID_BEFORE = TAPS_BEFORE + 1 };

/* The samples of the reference that the grid is made of, from the one that lies GRID_BEFORE rows
 * above (y, x) and as many columns left of it on. */
static Window grid_window(Encoder *e, i32 y, i32 x, i32 side) {
    const Slice *s = &e->slice;
    i32 rows = side + 9, columns = side + 24; /* whole vectors are read */
    y -= GRID_BEFORE;
    x -= GRID_BEFORE;
    if (y >= 0 && x >= 0 && y + rows <= s->height && x + columns <= s->width)
        return (Window){s->reference + sample_index(s, y, x), s->width};
    for (i32 i = 0; i < rows; i++) {
        const u16 *row = s->reference + sample_index(s, clamp_i32(y + i, 0, s->height - 1), 0);
        for (i32 j = 0; j < columns; j++)
            e->grid.window[i][j] = row[clamp_i32(x + j, 0, s->width - 1)];
    }
    return (Window){&e->grid.window[0][0], CELL + 24};
}

/* Of each lane, the nearest value from 0 to 255. */
INLINE i16x16 to_bytes(i16x16 value) {
    i16x16 above = value > UINT8_MAX;
    value = (above & UINT8_MAX) | (~above & value);
    return value & (value > 0);
}

/* The filter between two samples that lie `step` apart, the first of them at `at`: sixteen of them.
 * Samples of eight bits: sums from -6120 to 22440. */
INLINE i16x16 narrow_half_samples(const u16 *at, const i64 step) {
    i16x16 inner = load_i16x16(at) + load_i16x16(at + step);
    i16x16 second = load_i16x16(at - step) + load_i16x16(at + 2 * step);
    i16x16 third = load_i16x16(at - 2 * step) + load_i16x16(at + 3 * step);
    i16x16 outer = load_i16x16(at - 3 * step) + load_i16x16(at + 4 * step);
    i16x16 sum = 40 * inner - 11 * second + (third << 2) - outer;
    return to_bytes((sum + (1 << (TAP_BITS - 1))) >> TAP_BITS);
}

INLINE i32x8 wide_half_samples(const u16 *at, const i64 step, i32 largest) {
    i32x8 inner = load_u16x8(at) + load_u16x8(at + step);
    i32x8 second = load_u16x8(at - step) + load_u16x8(at + 2 * step);
    i32x8 third = load_u16x8(at - 2 * step) + load_u16x8(at + 3 * step);
    i32x8 outer = load_u16x8(at - 3 * step) + load_u16x8(at + 4 * step);
    i32x8 sum = 40 * inner - 11 * second + (third << 2) - outer;
    return clip_samples(rounded(sum, TAP_BITS), largest);
}

/* Sixteen at once: the columns beyond those of the grid are never looked at. */
INLINE void store_half_samples(u16 *to, const u16 *at, const i64 step, i32 largest) {
    if (LIKELY(largest <= UINT8_MAX)) {
        *(i16x16_any *)to = narrow_half_samples(at, step);
        return;
    }
    store_u16x8(to, wide_half_samples(at, step, largest));
    store_u16x8(to + 8, wide_half_samples(at + 8, step, largest));
}

INLINE void fill_grid(Encoder *e, i32 y, i32 x, const i32 side) {
    FractionGrid *grid = &e->grid;
    Window from = grid_window(e, y, x, side);
    i32 largest = e->slice.largest;
    for (i32 i = 0; i < side + 9; i++)
        for (i32 j = 0; j < side + 2; j += 16)
            store_half_samples(grid->right[i] + j, from.samples + i * from.stride + j + TAPS_BEFORE,
                               1, largest);
    for (i32 i = 0; i < side + 2; i++) {
        const u16 *row = from.samples + (i + TAPS_BEFORE) * from.stride + TAPS_BEFORE;
        for (i32 j = 0; j < side + 2; j += 16) {
            *(i16x16_any *)(grid->whole[i] + j) = load_i16x16(row + j);
            if (i > side) continue;
            store_half_samples(grid->below[i] + j, row + j, from.stride, largest);
            store_half_samples(grid->both[i] + j, grid->right[i + TAPS_BEFORE] + j, GRID_COLUMNS,
                               largest);
        }
    }
}

/* The samples of the grid that lie `y` and `x` halves away from the patch, -2 to 2. */
INLINE const u16 *half_samples(const FractionGrid *grid, i32 y, i32 x) {
    i32 row = (y >> 1) + 1, column = (x >> 1) + 1;
    if (y & 1) return x & 1 ? grid->both[row] + column : grid->below[row] + column;
    return x & 1 ? grid->right[row + TAPS_BEFORE] + column : grid->whole[row] + column;
}

/* Of samples of at most ten bits; what comes back may be too small where it is above `limit`. */
INLINE i32 narrow_grid_error(const u16 *source, i64 stride, const u16 *a, const u16 *b,
                             const i32 side, i32 limit) {
    i32 total = 0;
    for (i32 part = 0; part < side && total <= limit; part += side == UNIT ? 4 : 8) {
        i32x8 sum = splat_i32x8(0);
        for (i32 i = part; i < part + (side == UNIT ? 4 : 8); i += side == UNIT ? 2 : 1)
            for (i32 j = 0; j < side; j += 16) {
                i32 at = i * GRID_COLUMNS + j;
                const u16 *from = source + i * stride + j;
                i16x16 d = side == UNIT ? load_two_rows(a + at, GRID_COLUMNS) +
                                              load_two_rows(b + at, GRID_COLUMNS)
                                        : load_i16x16(a + at) + load_i16x16(b + at);
                d = (side == UNIT ? load_two_rows(from, stride) : load_i16x16(from)) -
                    ((d + 1) >> 1);
                sum += dot_pairs(d, d);
            }
        total += sum_i32x8(sum);
    }
    return total;
}

/* Squared error of the source at (y, x) to the grid, `by` quarter samples away, -3 to 3; any number
 * above `limit` where it is above that. */
INLINE f64 grid_error(const Encoder *e, i32 y, i32 x, const i32 side, Vector by, f64 limit) {
    i32 top = by.y >> 1, left = by.x >> 1, bottom = (by.y + 1) >> 1, right = (by.x + 1) >> 1;
    if ((by.y & by.x & 1) && !((top + left) & 1)) {
        /* Of the two diagonals, the one whose ends are filtered once only. */
        i32 kept = left;
        left = right;
        right = kept;
    }
    const u16 *a = half_samples(&e->grid, top, left), *b = half_samples(&e->grid, bottom, right);
    const u16 *source = e->source + sample_index(&e->slice, y, x);
    f32 total;
    if (LIKELY(!e->slice.deep)) {
        /* One more, so that no rounding on the way here counts. */
        f64 most = limit * e->step * e->step + 1.0;
        i32 whole = most < (f64)INT32_MAX ? (i32)most : INT32_MAX;
        total = (f32)narrow_grid_error(source, e->slice.width, a, b, side, whole);
    } else {
        f32x8 sum = splat_f32x8(0);
        for (i32 i = 0; i < side; i++, source += e->slice.width)
            for (i32 j = 0; j < side; j += 8) {
                i32 at = i * GRID_COLUMNS + j;
                i32x8 mean = (load_u16x8(a + at) + load_u16x8(b + at) + 1) >> 1;
                f32x8 d = to_f32x8(load_u16x8(source + j) - mean);
                sum += d * d;
            }
        total = fold_f32x8(sum);
    }
    return (f64)total * e->inverse_step * e->inverse_step;
}

INLINE void search_fractions_of(Encoder *e, const Search *find, const i32 side) {
    const Vector whole = e->found;
    fill_grid(e, find->y + (whole.y >> 2), find->x + (whole.x >> 2), side);
    f64 least = grid_error(e, find->y, find->x, side, sharp_vector(0, 0), WORST) +
                e->bit_price * vector_bits(whole, find->centre);
    for (i32 fraction = HALF; fraction >= 1; fraction--) {
        const Vector from = e->found;
        for (i32 k = 0; k < ALL_NEIGHBOURS; k++) {
            Vector vector = moved(from, k, fraction);
            if (!within(vector, MAX_VECTOR)) continue;
            Vector by = sharp_vector(vector.y - whole.y, vector.x - whole.x);
            f64 bits = e->bit_price * vector_bits(vector, find->centre);
            f64 cost = grid_error(e, find->y, find->x, side, by, least - bits) + bits;
            if (cost < least) {
                least = cost;
                e->found = vector;
            }
        }
    }
}

/* Move e->found, a whole displacement, to the best fraction nearby. */
OUTLINE void search_fractions(Encoder *e, const Search *find) {
    if (find->side == 8)
        search_fractions_of(e, find, 8);
    else if (find->side == 16)
        search_fractions_of(e, find, 16);
    else
        search_fractions_of(e, find, 32);
}
