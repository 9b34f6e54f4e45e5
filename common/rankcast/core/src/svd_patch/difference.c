/* Differences between the source and predictions of a patch. */
#include "encoder.h"

/* Lanes of the columns of a patch, added up in order of the columns. */
INLINE f32 sum_tiles(const f32x8 *lanes, const i32 count) {
    f32 total = 0;
    for (i32 g = 0; g < count; g++) total = add_lanes(total, lanes[g]);
    return total;
}

/* Below this, floats add up whole numbers without rounding: lanes of integers, which take half the
 * time, give the same sum. */
enum { EXACT_SUM = 1 << 24 };

/* Sixteen differences of samples of at most 15 bits: of a row, or of two rows of eight. */
INLINE i16x16 sixteen_differences(const u16 *a, i64 a_stride, const u16 *b, i64 b_stride,
                                  const i32 side) {
    return side == UNIT ? load_two_rows(a, a + a_stride) - load_two_rows(b, b + b_stride)
                        : load_i16x16(a) - load_i16x16(b);
}

/* Sum of squared differences of two patches of at most ten bits: below 2^30. */
INLINE i32 patch_squares(const u16 *a, i64 a_stride, const u16 *b, i64 b_stride, const i32 side) {
    i32x8 lanes = splat_i32x8(0);
    for (i32 i = 0; i < side; i += side == UNIT ? 2 : 1)
        for (i32 j = 0; j < side; j += 16) {
            i16x16 d = sixteen_differences(a + i * a_stride + j, a_stride, b + i * b_stride + j,
                                           b_stride, side);
            lanes += dot_pairs(d, d);
        }
    return sum_i32x8(lanes);
}

INLINE f32 float_squares(const u16 *a, i64 a_stride, const u16 *b, i64 b_stride, const i32 side) {
    f32x8 lanes[TILES] = {{0}};
    for (i32 i = 0; i < side; i++, a += a_stride, b += b_stride)
        for (i32 g = 0; g < side / 8; g++) {
            f32x8 d = to_f32x8(load_u16x8(a + 8 * g) - load_u16x8(b + 8 * g));
            lanes[g] += d * d;
        }
    return side == UNIT ? fold_f32x8(lanes[0]) : sum_tiles(lanes, side / 8);
}

INLINE f64 squared_error_of(const Encoder *e, const u16 *samples, i64 stride, i32 y, i32 x,
                            const i32 side) {
    const Slice *s = &e->slice;
    const u16 *source = e->source + sample_index(s, y, x);
    f64 scale = e->step * e->step;
    if (LIKELY(!s->deep)) {
        i32 total = patch_squares(source, s->width, samples, stride, side);
        if (LIKELY(total < EXACT_SUM)) return (f64)total / scale;
    }
    return (f64)float_squares(source, s->width, samples, stride, side) / scale;
}

/* Squared error of samples that stand for a patch, in squared steps. */
static f64 squared_error_at(const Encoder *e, const u16 *samples, i64 stride, i32 y, i32 x,
                            i32 size) {
    return size == SIZE_8    ? squared_error_of(e, samples, stride, y, x, 8)
           : size == SIZE_16 ? squared_error_of(e, samples, stride, y, x, 16)
                             : squared_error_of(e, samples, stride, y, x, 32);
}

/* The same of a prediction. */
static f64 squared_error(const Encoder *e, u16 (*block)[CELL], i32 y, i32 x, i32 size) {
    return squared_error_at(e, block[0], CELL, y, x, size);
}

/* Of a displacement that leads out of the plane. */
static const i64 OUTSIDE = 1ll << 40;
static const f64 MIXED_OUTSIDE = 1e12;

/* Samples of eight bits leave room in lanes of sixteen for a whole patch: each lane adds up 64
 * differences at most. */
INLINE i32 narrow_differences(const u16 *a, i64 a_stride, const u16 *b, i64 b_stride,
                              const i32 side) {
    i16x16 lanes = {0};
    for (i32 i = 0; i < side; i += side == UNIT ? 2 : 1)
        for (i32 j = 0; j < side; j += 16)
            lanes += abs_i16x16(sixteen_differences(a + i * a_stride + j, a_stride,
                                                    b + i * b_stride + j, b_stride, side));
    return sum_i16x16(lanes);
}

INLINE i32 differences(const Encoder *e, const u16 *a, const u16 *b, i64 b_stride,
                       const i32 side) {
    const i64 stride = e->slice.width;
    if (LIKELY(e->slice.largest <= UINT8_MAX))
        return narrow_differences(a, stride, b, b_stride, side);
    i32x8 lanes = splat_i32x8(0);
    for (i32 i = 0; i < side; i++, a += stride, b += b_stride)
        for (i32 j = 0; j < side; j += 8)
            lanes += abs_i32x8(load_u16x8(a + j) - load_u16x8(b + j));
    return sum_i32x8(lanes);
}

INLINE int is_inside(const Slice *s, i32 y, i32 x, i32 side) {
    return y >= 0 && x >= 0 && y + side <= s->height && x + side <= s->width;
}

INLINE i64 difference_of(const Encoder *e, i32 y, i32 x, const i32 side, i32 y_from, i32 x_from) {
    const Slice *s = &e->slice;
    if (!is_inside(s, y_from, x_from, side)) return OUTSIDE;
    return differences(e, e->source + sample_index(s, y, x),
                       s->reference + sample_index(s, y_from, x_from), s->width, side);
}

/* Sum of absolute differences of a patch to the reference at (y_from, x_from). */
static i64 absolute_difference(const Encoder *e, i32 y, i32 x, i32 side, i32 y_from, i32 x_from) {
    return side == 8    ? difference_of(e, y, x, 8, y_from, x_from)
           : side == 16 ? difference_of(e, y, x, 16, y_from, x_from)
                        : difference_of(e, y, x, 32, y_from, x_from);
}

INLINE f64 prediction_difference_of(const Encoder *e, i32 y, i32 x, const i32 side) {
    const Slice *s = &e->slice;
    const u16 *source = e->source + sample_index(s, y, x);
    i32 total = differences(e, source, s->prediction[0], CELL, side);
    if (LIKELY(total < EXACT_SUM)) return total;
    f32x8 lanes[TILES] = {{0}};
    for (i32 i = 0; i < side; i++, source += s->width)
        for (i32 g = 0; g < side / 8; g++) {
            i32x8 d = load_u16x8(source + 8 * g) - load_u16x8(&s->prediction[i][8 * g]);
            lanes[g] += to_f32x8(abs_i32x8(d));
        }
    return sum_tiles(lanes, side / 8);
}

/* The same to s->prediction. */
static f64 prediction_difference(const Encoder *e, i32 y, i32 x, i32 size) {
    return size == SIZE_8    ? prediction_difference_of(e, y, x, 8)
           : size == SIZE_16 ? prediction_difference_of(e, y, x, 16)
                             : prediction_difference_of(e, y, x, 32);
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
