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
            e->grid_window[i][j] = row[clamp_i32(x + j, 0, s->width - 1)];
    }
    return (Window){&e->grid_window[0][0], CELL + 24};
}

/* Planes of more than 8 bits. */
#define LANE i32
#define MANY i32x8
#define MIDDLE 0
#define OF(name) wide_##name
typedef i32x8_any wide_any, wide_eight_any;
INLINE i32x8 wide_load_samples(const u16 *from) { return load_u16x8(from); }
#include "fraction_grid_of.h"
#undef LANE
#undef MANY
#undef MIDDLE
#undef OF

INLINE f32 wide_squares(const u16 *source, i64 stride, const i32 *a, const i32 *b,
                        const i32 side) {
    return wide_float_squares(source, stride, a, b, side);
}

/* Planes of 8 bits. */
#define LANE i16
#define MANY i16x16
#define MIDDLE 128
#define OF(name) narrow_##name
typedef i16x16_any narrow_any;
typedef i16x8_any narrow_eight_any;
INLINE i16x16 narrow_load_samples(const u16 *from) { return load_i16x16(from) - 128; }
#include "fraction_grid_of.h"
#undef LANE
#undef MANY
#undef MIDDLE
#undef OF

/* Sixteen of them: of a row, or of two rows of eight. */
INLINE i16x16 sixteen_of(const void *from, const void *below, const i32 side) {
    return side == UNIT ? load_two_rows(from, below) : load_i16x16(from);
}

INLINE f32 narrow_squares(const u16 *source, i64 stride, const i16 *a, const i16 *b,
                          const i32 side) {
    i32x8 sum = splat_i32x8(0);
    for (i32 i = 0; i < side; i += side == UNIT ? 2 : 1)
        for (i32 j = 0; j < side; j += 16) {
            const u16 *from = source + i * stride + j;
            const i16 *first = a + i * GRID_COLUMNS + j, *second = b + i * GRID_COLUMNS + j;
            i16x16 twice = sixteen_of(first, first + GRID_COLUMNS, side) +
                           sixteen_of(second, second + GRID_COLUMNS, side);
            i16x16 d = sixteen_of(from, from + stride, side) - 128 - ((twice + 1) >> 1);
            sum += dot_pairs(d, d);
        }
    i32 total = sum_i32x8(sum);
    return LIKELY(total < EXACT_SUM) ? (f32)total
                                     : narrow_float_squares(source, stride, a, b, side);
}

INLINE void search_fractions_of(Encoder *e, const Search *find, const i32 side) {
    if (LIKELY(e->slice.largest <= UINT8_MAX))
        narrow_search_fractions(e, find, side, &e->narrow_grid);
    else
        wide_search_fractions(e, find, side, &e->wide_grid);
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
