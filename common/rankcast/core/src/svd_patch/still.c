/* Where nothing has changed since the reference. */
#include "encoder.h"

/* Energies of a unit in squared steps: what uniform quantisation leaves anyway, 1 / 12 a sample;
 * and what is taken for a change at once. */
static const f64 QUANTISED_ENERGY = UNIT * UNIT * 0.083;
static const f64 CHANGED_ENERGY = UNIT * UNIT * 0.5;
/* Largest sum over a unit, in steps, and the largest difference of its halves, that is no trend. */
static const f32 LARGEST_TREND = UNIT * 0.9;

/* Differences of a unit to the reference: sums down the columns of the upper and lower half, and
 * the sum of all squares. */
typedef struct {
    f32x8 upper, lower;
    f32 squares;
} UnitDifference;

INLINE f32x8 add_rows(const u16 *a, const u16 *b, i64 stride, f32x8 *squares) {
    f32x8 sum = splat_f32x8(0), square = splat_f32x8(0);
    for (i32 i = 0; i < UNIT / 2; i++, a += stride, b += stride) {
        f32x8 d = real_samples(a) - real_samples(b);
        sum += d;
        square += d * d;
    }
    *squares += square;
    return sum;
}

INLINE UnitDifference wide_difference(const u16 *a, const u16 *b, i64 stride) {
    UnitDifference d;
    f32x8 squares = splat_f32x8(0);
    d.upper = add_rows(a, b, stride, &squares);
    d.lower = add_rows(a + UNIT / 2 * stride, b + UNIT / 2 * stride, stride, &squares);
    d.squares = add_lanes(0, squares);
    return d;
}

/* Four rows of eight bits. */
INLINE f32x8 add_narrow_rows(const u16 *a, const u16 *b, i64 stride, i32x8 *squares) {
    i16x16 first = sixteen_differences(a, stride, b, stride, UNIT);
    i16x16 second = sixteen_differences(a + 2 * stride, stride, b + 2 * stride, stride, UNIT);
    *squares += dot_pairs(first, first) + dot_pairs(second, second);
    i16x16 sum = first + second;
    i16x8 columns = __builtin_shufflevector(sum, sum, 0, 1, 2, 3, 4, 5, 6, 7) +
                    __builtin_shufflevector(sum, sum, 8, 9, 10, 11, 12, 13, 14, 15);
    return __builtin_convertvector(columns, f32x8);
}

/* The same of samples of eight bits, whose sums floats hold exactly. */
INLINE UnitDifference narrow_difference(const u16 *a, const u16 *b, i64 stride) {
    UnitDifference d;
    i32x8 squares = splat_i32x8(0);
    d.upper = add_narrow_rows(a, b, stride, &squares);
    d.lower = add_narrow_rows(a + UNIT / 2 * stride, b + UNIT / 2 * stride, stride, &squares);
    d.squares = (f32)sum_i32x8(squares);
    return d;
}

/* Whether samples differ by more than noise: their sum, or the differences of their halves. */
INLINE int has_trend(const Encoder *e, const UnitDifference *d) {
    f32 upper = add_lanes(0, d->upper), lower = add_lanes(0, d->lower), right = 0;
    for (i32 j = 4; j < 8; j++) right += d->upper[j] + d->lower[j];
    f32 whole = upper + lower;
    f64 across = __builtin_fabs((f64)whole - 2.0 * (f64)right);
    f64 down = __builtin_fabsf(lower - upper), all = __builtin_fabsf(whole);
    f64 trend = all > down ? all : down;
    if (across > trend) trend = across;
    return !(trend * e->inverse_step < LARGEST_TREND);
}

/* Whether a unit is as good as in the reference. */
static int is_still(Encoder *e, i32 uy, i32 ux) {
    const Slice *s = &e->slice;
    i64 at = sample_index(s, uy * UNIT, ux * UNIT);
    const u16 *source = e->source + at, *reference = s->reference + at;
    UnitDifference d = LIKELY(s->largest <= UINT8_MAX)
                           ? narrow_difference(source, reference, s->width)
                           : wide_difference(source, reference, s->width);
    f64 limit = e->bit_price * STILL_BITS;
    f32 energy = d.squares * (e->inverse_step * e->inverse_step);
    if (energy < COST_CONSTANT + limit) return 1;
    if (energy > CHANGED_ENERGY) return 0;
    if (energy < QUANTISED_ENERGY && !has_trend(e, &d)) return 1;
    for (i32 i = 0; i < UNIT; i++, source += s->width, reference += s->width)
        store_f32x8(e->residual[0][i],
                    (real_samples(source) - real_samples(reference)) * e->inverse_step);
    return residual_saving(e, SIZE_8) < limit;
}
