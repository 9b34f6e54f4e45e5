/* The forward transform of an encoder, and what coding a core would save. Floats: whatever they
 * choose, the decoder rebuilds from integers. Sums have one order at every level of SIMD. */
#include "encoder.h"

/* Sum of weights[i] * rows[i], i < count. */
INLINE f32x8 weighted_rows(const f32 *weights, const f32 (*rows)[8], const i32 count, f32x8 sum) {
    for (i32 i = 0; i < count; i++) sum += weights[i] * load_f32x8(rows[i]);
    return sum;
}

INLINE void forward_of(Encoder *e, const i32 size, const i32 keep) {
    const i32 side = UNIT << size;
    const f32 *left_t = e->left_t_real + size * CELL * CELL;
    const f32 *right = e->right_real + size * CELL * CELL;
    const f32x8 zero = splat_f32x8(0);
    for (i32 g = 0; 8 * g < side; g++)
        for (i32 k = 0; k < keep; k++)
            store_f32x8(e->middle[g][k],
                        weighted_rows(left_t + k * CELL, e->residual[g], side, zero));
    for (i32 g = 0; 8 * g < keep; g++) {
        const f32 (*rows)[8] = (const f32 (*)[8])(right + g * CELL * 8);
        for (i32 k = 0; k < keep; k++) {
            f32x8 sum = zero;
            for (i32 h = 0; 8 * h < side; h++)
                sum = weighted_rows(e->middle[h][k], rows + 8 * h, 8, sum);
            store_f32x8(e->core + k * STRIDE + 8 * g, sum);
        }
    }
}

/* M = L^T A R of the residual A: its `keep` leading rows and columns, into e->core. */
static void forward(Encoder *e, i32 size, i32 keep) {
    if (size == SIZE_8 && keep == UNIT)
        forward_of(e, SIZE_8, UNIT);
    else if (size == SIZE_16 && keep == CODED_SIDE)
        forward_of(e, SIZE_16, CODED_SIDE);
    else if (size == SIZE_32 && keep == CODED_SIDE)
        forward_of(e, SIZE_32, CODED_SIDE);
    else
        forward_of(e, size, keep);
}

INLINE f32 saved_by(f32 value) {
    return value * value - COST_CONSTANT - COST_SLOPE * __builtin_fabsf(value);
}
INLINE f32x8 saved_by_each(f32x8 value) {
    f32x8 saved = value * value - COST_CONSTANT - COST_SLOPE * abs_f32x8(value);
    return positive_f32x8(saved);
}

/* What coding the core would save, estimated from each coefficient alone. */
static f64 estimated_saving(const f32 *core, i32 coded_side) {
    f32x8 first = splat_f32x8(0), second = splat_f32x8(0);
    for (i32 i = 0; i < coded_side; i++) first += saved_by_each(load_f32x8(core + i * STRIDE));
    if (coded_side == UNIT) return fold_f32x8(first);
    if (coded_side > 8)
        for (i32 i = 0; i < coded_side; i++)
            second += saved_by_each(load_f32x8(core + i * STRIDE + 8));
    f32 total = 0;
    for (i32 j = 0; j < coded_side; j++) total += j < 8 ? first[j] : second[j - 8];
    return total;
}

/* The same of the residual, with all of the core. */
static f64 residual_saving(Encoder *e, i32 size) {
    i32 coded_side = min_i32(UNIT << size, CODED_SIDE);
    forward(e, size, coded_side);
    return estimated_saving(e->core, coded_side);
}

/* Rows and columns of a core that may be coded. */
INLINE i32 kept_side(const Encoder *e, i32 size) {
    return size == SIZE_8 ? e->rank : min_i32(e->rank << size, CODED_SIDE);
}

/* Loss of a mean, in steps a sample, below which quantising costs more. */
static const f32 SHRUNK_STEPS = 0.25f;

/* Undo what the rounded entries of the factors take from a mean on the way there and back: where
 * nothing is near, the prediction is the middle of 16 bits, and samples of ten bits would be
 * rebuilt nine levels off. With factors of the plane's own it is the leading entry of the core.
 * The energy of the residual stays as it was: a cost then leaves out what lies outside the core. */
INLINE void restore_mean(Encoder *e, i32 size) {
    const f32 *left = e->left_t_real + size * CELL * CELL;
    const f32 *right = e->right_real + size * CELL * CELL;
    f32 down = 0, across = 0;
    for (i32 i = 0; i < UNIT << size; i++) {
        down += left[i] * left[i];
        across += right[i * 8] * right[i * 8];
    }
    f32 restored = e->core[0] / (down * across);
    if (__builtin_fabsf(restored - e->core[0]) > SHRUNK_STEPS * (f32)(UNIT << size))
        e->core[0] = restored;
}

/* Transform source minus prediction; return its energy. */
static f64 transform(Encoder *e, i32 y, i32 x, i32 size) {
    const Slice *s = &e->slice;
    f32x8 squares = splat_f32x8(0);
    i32 side = UNIT << size;
    for (i32 i = 0; i < side; i++)
        for (i32 g = 0; 8 * g < side; g++) {
            i32x8 source = load_u16x8(e->source + sample_index(s, y + i, x + 8 * g));
            i32x8 residual = source - load_u16x8(&s->prediction[i][8 * g]);
            f32x8 value = to_f32x8(residual) * e->inverse_step;
            store_f32x8(e->residual[g][i], value);
            squares += value * value;
        }
    forward(e, size, kept_side(e, size));
    if (s->deep) restore_mean(e, size);
    return add_lanes(0, squares);
}
