/* Where nothing has changed since the reference. */
#include "encoder.h"

/* Energies of a unit in squared steps: what uniform quantisation leaves anyway, 1 / 12 a sample;
 * and what is taken for a change at once. */
static const f64 QUANTISED_ENERGY = UNIT * UNIT * 0.083;
static const f64 CHANGED_ENERGY = UNIT * UNIT * 0.5;
/* Largest sum over a unit, in steps, and the largest difference of its halves, that is no trend. */
static const f32 LARGEST_TREND = UNIT * 0.9;

/* Differences of a unit to the reference: sums down the columns of the upper and lower half. */
typedef struct {
    f32x8 upper, lower, squares;
} UnitDifference;

INLINE void add_rows(const Encoder *e, i64 at, f32x8 *sums, f32x8 *squares) {
    f32x8 sum = splat_f32x8(0), square = splat_f32x8(0);
    for (i32 i = 0; i < UNIT / 2; i++, at += e->slice.width) {
        f32x8 d = real_samples(e->source + at) - real_samples(e->slice.reference + at);
        sum += d;
        square += d * d;
    }
    *sums = sum;
    *squares += square;
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
    UnitDifference d = {.squares = splat_f32x8(0)};
    add_rows(e, at, &d.upper, &d.squares);
    add_rows(e, at + UNIT / 2 * s->width, &d.lower, &d.squares);
    f64 limit = e->bit_price * STILL_BITS;
    f32 energy = add_lanes(0, d.squares) * (e->inverse_step * e->inverse_step);
    if (energy < COST_CONSTANT + limit) return 1;
    if (energy > CHANGED_ENERGY) return 0;
    if (energy < QUANTISED_ENERGY && !has_trend(e, &d)) return 1;
    for (i32 i = 0; i < UNIT; i++, at += s->width) {
        f32x8 difference = real_samples(e->source + at) - real_samples(s->reference + at);
        store_f32x8(e->residual[0][i], difference * e->inverse_step);
    }
    return residual_saving(e, SIZE_8) < limit;
}
