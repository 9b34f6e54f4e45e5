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
    i32 rows = side + 9, columns = side + 16; /* whole vectors are read */
    y -= GRID_BEFORE;
    x -= GRID_BEFORE;
    if (y >= 0 && x >= 0 && y + rows <= s->height && x + columns <= s->width)
        return (Window){s->reference + sample_index(s, y, x), s->width};
    for (i32 i = 0; i < rows; i++) {
        const u16 *row = s->reference + sample_index(s, clamp_i32(y + i, 0, s->height - 1), 0);
        for (i32 j = 0; j < columns; j++)
            e->grid.window[i][j] = row[clamp_i32(x + j, 0, s->width - 1)];
    }
    return (Window){&e->grid.window[0][0], CELL + 16};
}

/* The filter between two samples, on eight sums of pairs around them. */
INLINE i32x8 half_sample(i32x8 inner, i32x8 second, i32x8 third, i32x8 outer) {
    return rounded(40 * inner - 11 * second + (third << 2) - outer, TAP_BITS);
}

INLINE i32x8 half_right(const u16 *at) {
    return half_sample(load_u16x8(at) + load_u16x8(at + 1), load_u16x8(at - 1) + load_u16x8(at + 2),
                       load_u16x8(at - 2) + load_u16x8(at + 3),
                       load_u16x8(at - 3) + load_u16x8(at + 4));
}

INLINE i32x8 half_below(const u16 *at, const i64 stride) {
    return half_sample(load_u16x8(at) + load_u16x8(at + stride),
                       load_u16x8(at - stride) + load_u16x8(at + 2 * stride),
                       load_u16x8(at - 2 * stride) + load_u16x8(at + 3 * stride),
                       load_u16x8(at - 3 * stride) + load_u16x8(at + 4 * stride));
}

INLINE i32x8 half_of_rows(i32 (*rows)[GRID_COLUMNS], i32 j) {
    return half_sample(load_i32x8(rows[0] + j) + load_i32x8(rows[1] + j),
                       load_i32x8(rows[-1] + j) + load_i32x8(rows[2] + j),
                       load_i32x8(rows[-2] + j) + load_i32x8(rows[3] + j),
                       load_i32x8(rows[-3] + j) + load_i32x8(rows[4] + j));
}

INLINE void fill_grid(Encoder *e, i32 y, i32 x, const i32 side) {
    FractionGrid *grid = &e->grid;
    Window from = grid_window(e, y, x, side);
    for (i32 i = 0; i < side + 9; i++)
        for (i32 j = 0; j < side + 2; j += 8)
            store_i32x8(grid->right[i] + j,
                        half_right(from.samples + i * from.stride + j + TAPS_BEFORE));
    for (i32 i = 0; i < side + 2; i++) {
        const u16 *row = from.samples + (i + TAPS_BEFORE) * from.stride + TAPS_BEFORE;
        for (i32 j = 0; j < side + 2; j += 8) {
            store_i32x8(grid->whole[i] + j, load_u16x8(row + j));
            if (i > side) continue;
            store_i32x8(grid->below[i] + j, half_below(row + j, from.stride));
            store_i32x8(grid->both[i] + j, half_of_rows(grid->right + i + TAPS_BEFORE, j));
        }
    }
}

/* The samples of the grid that lie `y` and `x` halves away from the patch, -2 to 2. */
INLINE const i32 *half_samples(const FractionGrid *grid, i32 y, i32 x) {
    i32 row = (y >> 1) + 1, column = (x >> 1) + 1;
    if (y & 1) return x & 1 ? grid->both[row] + column : grid->below[row] + column;
    return x & 1 ? grid->right[row + TAPS_BEFORE] + column : grid->whole[row] + column;
}

/* Squared error of the source at (y, x) to the grid, `by` quarter samples away, -3 to 3. */
INLINE f64 grid_error(const Encoder *e, i32 y, i32 x, const i32 side, Vector by) {
    i32 top = by.y >> 1, left = by.x >> 1, bottom = (by.y + 1) >> 1, right = (by.x + 1) >> 1;
    if ((by.y & by.x & 1) && !((top + left) & 1)) {
        /* Of the two diagonals, the one whose ends are filtered once only. */
        i32 kept = left;
        left = right;
        right = kept;
    }
    const i32 *a = half_samples(&e->grid, top, left), *b = half_samples(&e->grid, bottom, right);
    const u16 *source = e->source + sample_index(&e->slice, y, x);
    f32x8 sum = splat_f32x8(0);
    for (i32 i = 0; i < side; i++, source += e->slice.width) {
        i32 at = i * GRID_COLUMNS;
        for (i32 j = 0; j < side; j += 8) {
            i32x8 mean = (load_i32x8(a + at + j) + load_i32x8(b + at + j) + 1) >> 1;
            f32x8 d = to_f32x8(load_u16x8(source + j) - mean);
            sum += d * d;
        }
    }
    return (f64)fold_f32x8(sum) * e->inverse_step * e->inverse_step;
}

INLINE void search_fractions_of(Encoder *e, const Search *find, const i32 side) {
    const Vector whole = e->found;
    fill_grid(e, find->y + (whole.y >> 2), find->x + (whole.x >> 2), side);
    f64 least = grid_error(e, find->y, find->x, side, sharp_vector(0, 0)) +
                e->bit_price * vector_bits(whole, find->centre);
    for (i32 fraction = HALF; fraction >= 1; fraction--) {
        const Vector from = e->found;
        for (i32 k = 0; k < ALL_NEIGHBOURS; k++) {
            Vector vector = moved(from, k, fraction);
            if (!within(vector, MAX_VECTOR)) continue;
            Vector by = sharp_vector(vector.y - whole.y, vector.x - whole.x);
            f64 cost = grid_error(e, find->y, find->x, side, by) +
                       e->bit_price * vector_bits(vector, find->centre);
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
