/* The forward transform of an encoder, and what coding a core would save. It need not be exact:
 * whatever it makes the encoder choose, the decoder rebuilds from integers. Samples of ten bits and
 * less are transformed in products of 16 bits, others in floats; sums have one order at every level
 * of SIMD. */
#include "encoder.h"

/* Fractional bits of the factors for products of 16 bits. One pass makes 16 samples up to four
 * times as large, and 32 samples up to 5.7 times: with five fractional bits, or four, 255 fits, and
 * so do sums of the second pass into 31 bits. Samples of ten bits have two bits less. */
enum { LEFT_BITS = 14, RIGHT_BITS = 13, HALFWAY_BITS = 5, HALFWAY_BITS_32 = 4, DEEPER = 2 };
/* A step in units of those bits, from which on their rounding is nothing beside the quantiser's. */
static const f64 COARSE = 32.0;

INLINE i16 fixed_point(f32 value, const i32 bits) {
    f32 scaled = value * (f32)(1 << bits);
    return (i16)clamp_i32((i32)(scaled + (scaled < 0 ? -0.5f : 0.5f)), INT16_MIN, INT16_MAX);
}

/* Decide how residuals are transformed, and enter the factors for it. */
static void choose_width(Encoder *e) {
    e->coarser = e->slice.largest <= UINT8_MAX ? 0 : DEEPER;
    e->narrow = !e->slice.deep && e->step * (1 << (HALFWAY_BITS - e->coarser)) >= COARSE;
    for (i32 size = 0; e->narrow && size < SIZES; size++) {
        const f32 *left_t = e->left_t_real + size * CELL * CELL;
        const f32 *right = e->right_real + size * CELL * CELL;
        i32 side = UNIT << size, count = min_i32(side, CODED_SIDE);
        for (i32 k = 0; k < count; k++)
            for (i32 i = 0; i < side; i++)
                e->left_narrow[size][k][i] = fixed_point(left_t[k * CELL + i], LEFT_BITS);
        for (i32 g = 0; 8 * g < count; g++)
            for (i32 j = 0; j < side; j++)
                for (i32 lane = 0; lane < 8; lane++)
                    e->right_narrow[size][g][j / 2][2 * lane + j % 2] =
                        fixed_point(right[(g * CELL + j) * 8 + lane], RIGHT_BITS);
    }
}

/* Sum of products of `count` pairs. */
INLINE i32x8 sum_of_pairs(const i16 *weights, const i16x16 *pairs, const i32 count, i32x8 sum) {
    for (i32 m = 0; m < count; m++) sum += dot_pairs(splat_pair(weights + 2 * m), pairs[m]);
    return sum;
}

INLINE void forward_narrow_of(Encoder *e, const i32 size, const i32 keep) {
    const i32 side = UNIT << size;
    const i32 bits = (size == SIZE_32 ? HALFWAY_BITS_32 : HALFWAY_BITS) - e->coarser;
    const i32 shift = LEFT_BITS - bits;
    const i32x8 zero = splat_i32x8(0), half = splat_i32x8(1 << (shift - 1));
    const f32 scale = e->inverse_step / (f32)(1 << (RIGHT_BITS + bits));
    for (i32 g = 0; 8 * g < side; g++)
        for (i32 k = 0; k < keep; k++) {
            i32x8 sum =
                sum_of_pairs(e->left_narrow[size][k], e->residual_pairs[g], side / 2, half);
            store_i16x8(&e->middle_narrow[k][8 * g], narrow_i32x8(sum >> shift));
        }
    for (i32 g = 0; 8 * g < keep; g++)
        for (i32 k = 0; k < keep; k++) {
            i32x8 sum =
                sum_of_pairs(e->middle_narrow[k], e->right_narrow[size][g], side / 2, zero);
            store_f32x8(e->core + k * STRIDE + 8 * g, to_f32x8(sum) * scale);
        }
}

static void forward_narrow(Encoder *e, i32 size, i32 keep) {
    if (size == SIZE_8 && keep == UNIT)
        forward_narrow_of(e, SIZE_8, UNIT);
    else if (size == SIZE_16 && keep == CODED_SIDE)
        forward_narrow_of(e, SIZE_16, CODED_SIDE);
    else if (size == SIZE_32 && keep == CODED_SIDE)
        forward_narrow_of(e, SIZE_32, CODED_SIDE);
    else
        forward_narrow_of(e, size, keep);
}

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
    if (LIKELY(e->narrow))
        forward_narrow(e, size, keep);
    else if (size == SIZE_8 && keep == UNIT)
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
INLINE f32x8 saved_by_each(f32x8 value, f32 scale) {
    f32x8 saved =
        value * value - scale * COST_CONSTANT - (scale * COST_SLOPE) * abs_f32x8(value);
    return positive_f32x8(saved);
}

/* What coding the core would save, estimated from each coefficient alone, where a bit costs `scale`
 * times what the constants were measured at. */
INLINE f64 estimated_saving_at(const f32 *core, i32 coded_side, f32 scale) {
    f32x8 first = splat_f32x8(0), second = splat_f32x8(0);
    for (i32 i = 0; i < coded_side; i++)
        first += saved_by_each(load_f32x8(core + i * STRIDE), scale);
    if (coded_side == UNIT) return fold_f32x8(first);
    if (coded_side > 8)
        for (i32 i = 0; i < coded_side; i++)
            second += saved_by_each(load_f32x8(core + i * STRIDE + 8), scale);
    f32 total = 0;
    for (i32 j = 0; j < coded_side; j++) total += j < 8 ? first[j] : second[j - 8];
    return total;
}

static f64 estimated_saving(const f32 *core, i32 coded_side) {
    return estimated_saving_at(core, coded_side, 1.0f);
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

/* Make a patch of the source minus another patch the residual that is to be transformed; return its
 * energy. */
INLINE f32 take_narrow_residual(Encoder *e, const u16 *from, const u16 *other, i64 other_stride,
                                i32 side) {
    i32x8 squares = splat_i32x8(0);
    i64 stride = e->slice.width;
    for (i32 i = 0; i < side; i += 2, from += 2 * stride, other += 2 * other_stride)
        for (i32 j = 0; j < side; j += 8) {
            i16x16 pair = interleave_i16x8(
                load_i16x8(from + j) - load_i16x8(other + j),
                load_i16x8(from + stride + j) - load_i16x8(other + other_stride + j));
            e->residual_pairs[j / 8][i / 2] = pair;
            squares += dot_pairs(pair, pair);
        }
    return (f32)sum_i32x8(squares) * (e->inverse_step * e->inverse_step);
}

static f32 take_residual(Encoder *e, const u16 *from, const u16 *other, i64 other_stride,
                         i32 side) {
    if (LIKELY(e->narrow)) return take_narrow_residual(e, from, other, other_stride, side);
    f32x8 squares = splat_f32x8(0);
    for (i32 i = 0; i < side; i++, from += e->slice.width, other += other_stride)
        for (i32 j = 0; j < side; j += 8) {
            i32x8 residual = load_u16x8(from + j) - load_u16x8(other + j);
            f32x8 value = to_f32x8(residual) * e->inverse_step;
            store_f32x8(e->residual[j / 8][i], value);
            squares += value * value;
        }
    return add_lanes(0, squares);
}

/* Transform source minus prediction; return its energy. */
static f64 transform(Encoder *e, i32 y, i32 x, i32 size) {
    const Slice *s = &e->slice;
    f32 energy = take_residual(e, e->source + sample_index(s, y, x), s->prediction[0], CELL,
                               UNIT << size);
    forward(e, size, kept_side(e, size));
    return energy;
}
