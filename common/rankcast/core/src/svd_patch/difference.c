/* Differences between the source and predictions of a patch. */
#include "encoder.h"

/* Lanes of the columns of a patch, added up in order of the columns. */
INLINE f32 sum_tiles(const f32x8 *lanes, const i32 count) {
    f32 total = 0;
    for (i32 g = 0; g < count; g++) total = add_lanes(total, lanes[g]);
    return total;
}

INLINE f64 squared_error_of(const Encoder *e, i32 (*block)[CELL], i32 y, i32 x, const i32 side) {
    f32x8 lanes[TILES] = {{0}};
    const u16 *row = e->source + sample_index(&e->slice, y, x);
    for (i32 i = 0; i < side; i++, row += e->slice.width)
        for (i32 g = 0; g < side / 8; g++) {
            f32x8 d = to_f32x8(load_u16x8(row + 8 * g) - load_i32x8(&block[i][8 * g]));
            lanes[g] += d * d;
        }
    f32 total = side == UNIT ? fold_f32x8(lanes[0]) : sum_tiles(lanes, side / 8);
    return (f64)total / (e->step * e->step);
}

/* Squared error of a prediction, in squared steps. */
static f64 squared_error(const Encoder *e, i32 (*block)[CELL], i32 y, i32 x, i32 size) {
    return size == SIZE_8    ? squared_error_of(e, block, y, x, 8)
           : size == SIZE_16 ? squared_error_of(e, block, y, x, 16)
                             : squared_error_of(e, block, y, x, 32);
}

/* Sum of absolute differences to s->prediction. */
static f64 prediction_difference(const Encoder *e, i32 y, i32 x, i32 size) {
    f32x8 lanes[TILES] = {{0}};
    const Slice *s = &e->slice;
    for (i32 i = 0; i < UNIT << size; i++) {
        const u16 *row = e->source + sample_index(s, y + i, x);
        for (i32 g = 0; g < 1 << size; g++) {
            i32x8 d = load_u16x8(row + 8 * g) - load_i32x8(&s->prediction[i][8 * g]);
            lanes[g] += to_f32x8(abs_i32x8(d));
        }
    }
    return sum_tiles(lanes, 1 << size);
}

/* Of a displacement that leads out of the plane. */
static const i64 OUTSIDE = 1ll << 40;
static const f64 MIXED_OUTSIDE = 1e12;

INLINE i16x16 load_i16x16(const u16 *from) { return *(const i16x16_any *)from; }

/* Eight samples of two rows each. */
INLINE i16x16 load_two_rows(const u16 *from, i64 stride) {
    u16x8 upper = *(const u16x8_any *)from, lower = *(const u16x8_any *)(from + stride);
    return (i16x16)__builtin_shufflevector(upper, lower, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
                                           13, 14, 15);
}

/* Samples of eight bits leave room in lanes of sixteen for a whole patch: each lane adds up 64
 * differences at most. */
INLINE i64 difference_of_bytes(const u16 *a, const u16 *b, i64 stride, const i32 side) {
    i16x16 lanes = {0};
    for (i32 i = 0; i < side; i += side == UNIT ? 2 : 1) {
        const u16 *from = a + i * stride, *to = b + i * stride;
        for (i32 j = 0; j < side; j += 16) {
            i16x16 d = side == UNIT ? load_two_rows(from, stride) - load_two_rows(to, stride)
                                    : load_i16x16(from + j) - load_i16x16(to + j);
            lanes += (d ^ (d >> 15)) - (d >> 15);
        }
    }
    i32 total = 0;
    for (i32 j = 0; j < 16; j++) total += lanes[j];
    return total;
}

INLINE i64 difference_of(const Encoder *e, i32 y, i32 x, const i32 side, i32 y_from, i32 x_from) {
    const Slice *s = &e->slice;
    if (y_from < 0 || x_from < 0 || y_from + side > s->height || x_from + side > s->width)
        return OUTSIDE;
    const u16 *a = e->source + sample_index(s, y, x);
    const u16 *b = s->reference + sample_index(s, y_from, x_from);
    if (LIKELY(s->largest <= UINT8_MAX)) return difference_of_bytes(a, b, s->width, side);
    i32x8 lanes = splat_i32x8(0);
    for (i32 i = 0; i < side; i++, a += s->width, b += s->width)
        for (i32 j = 0; j < side; j += 8)
            lanes += abs_i32x8(load_u16x8(a + j) - load_u16x8(b + j));
    i64 total = 0;
    for (i32 j = 0; j < 8; j++) total += lanes[j];
    return total;
}

/* Sum of absolute differences of a patch to the reference at (y_from, x_from). */
static i64 absolute_difference(const Encoder *e, i32 y, i32 x, i32 side, i32 y_from, i32 x_from) {
    return side == 8    ? difference_of(e, y, x, 8, y_from, x_from)
           : side == 16 ? difference_of(e, y, x, 16, y_from, x_from)
                        : difference_of(e, y, x, 32, y_from, x_from);
}

INLINE f64 mixed_difference_of(const Encoder *e, i32 y, i32 x, const i32 side, Vector by) {
    const Slice *s = &e->slice;
    i32 y_from = y + (by.y >> 2), x_from = x + (by.x >> 2), width = s->width;
    if (y_from < 0 || x_from < 0 || y_from + side >= s->height || x_from + side >= width)
        return MIXED_OUTSIDE;
    f32 down = (f32)(by.y & 3) * 0.25f, right = (f32)(by.x & 3) * 0.25f;
    f32 both = down * right, below = down - both, beside = right - both;
    f32 here = 1.0f - down - beside;
    f32x8 lanes[TILES] = {{0}};
    const u16 *a = e->source + sample_index(s, y, x);
    const u16 *b = s->reference + sample_index(s, y_from, x_from);
    for (i32 i = 0; i < side; i++, a += width, b += width)
        for (i32 g = 0; g < side / 8; g++) {
            const u16 *from = b + 8 * g;
            f32x8 mixed = here * real_samples(from) + beside * real_samples(from + 1) +
                          below * real_samples(from + width) +
                          both * real_samples(from + width + 1);
            lanes[g] += abs_f32x8(real_samples(a + 8 * g) - mixed);
        }
    return sum_tiles(lanes, side / 8);
}

/* The same at quarter samples, by linear mixing: near enough to choose. */
static f64 mixed_difference(const Encoder *e, i32 y, i32 x, i32 side, Vector by) {
    return side == 8    ? mixed_difference_of(e, y, x, 8, by)
           : side == 16 ? mixed_difference_of(e, y, x, 16, by)
                        : mixed_difference_of(e, y, x, 32, by);
}
