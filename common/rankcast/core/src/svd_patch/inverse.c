/* The patch transform on the way back: A = L M R^T in integers, so that both ends rebuild the same
 * samples. M are the levels times the step, L and R orthonormal factors (a DCT-II, or the 2D-SVD of
 * the frame). Planes of 8 bits need 32-bit sums, those of 16 bits 64-bit sums. */
#include "slice.h"

enum {
    COEFFICIENT_BITS = 2, /* fractional bits of a dequantised coefficient */
    MIDDLE_BITS = 3,      /* fractional bits that the first pass adds */
    BASIS_BITS_8 = 10,    /* fractional bits of L and R: under 0.1 dB lost at 51 dB */
    BASIS_BITS_16 = 15,
    /* No sum of 8 bits can overflow: |M| < 2^17, |L| < 2^10, and the absolute values of a row of L
     * sum to less than 2^13 (eight entries, or an orthonormal 32 x 32 matrix: at most sqrt(32)). */
    LARGEST_CORE_8 = (1 << 17) - 1,
    LARGEST_MIDDLE_8 = (1 << 18) - 1,
    LARGEST_CORE_16 = (1 << 27) - 1,
    LARGEST_MIDDLE_16 = (1 << 28) - 1,
};

INLINE i32x8 clamp_both(i32x8 value, i32 largest) {
    return clamp_i32x8(value, splat_i32x8(-largest), splat_i32x8(largest));
}

/* Levels times the step. A level is bounded first by what gives the largest product: then the
 * product of any level of a stream fits into 32 bits. */
INLINE i32x8 dequantise_8(const i32 *levels, i32 step) {
    i32 most = ((LARGEST_CORE_8 + 1) << COEFFICIENT_BITS) / step + 1;
    i32x8 scaled = (clamp_both(load_i32x8(levels), most) * step) >> COEFFICIENT_BITS;
    return clamp_both(scaled, LARGEST_CORE_8);
}

INLINE i32x8 narrow(i64x8 value) { return __builtin_convertvector(value, i32x8); }
INLINE i64x8 widen(i32x8 value) { return __builtin_convertvector(value, i64x8); }

INLINE i32x8 clamp_wide(i64x8 value, i64 largest) {
    i64x8 above = value > largest, below = value < -largest;
    value = (above & largest) | (~above & value);
    return narrow((below & -largest) | (~below & value));
}

INLINE i32x8 dequantise_16(const i32 *levels, i32 step) {
    i64x8 scaled = (widen(load_i32x8(levels)) * (i64)step) >> COEFFICIENT_BITS;
    return clamp_wide(scaled, LARGEST_CORE_16);
}

/* Sums of weighted rows of eight, with rounding: weights[k] * rows[k], k < count. */
INLINE i32x8 weighted_8(const i32 *weights, const i32 (*rows)[8], i32 count, const i32 shift) {
    i32x8 sum = splat_i32x8(1 << (shift - 1));
    for (i32 k = 0; k < count; k++) sum += weights[k] * load_i32x8(rows[k]);
    return sum >> shift;
}

INLINE i64x8 weighted_16(const i32 *weights, const i32 (*rows)[8], i32 count, const i32 shift) {
    i64x8 sum = (i64x8){0} + ((i64)1 << (shift - 1));
    for (i32 k = 0; k < count; k++) sum += (i64)weights[k] * widen(load_i32x8(rows[k]));
    return sum >> shift;
}

/* L M, of the part of the core that holds levels. */
INLINE void first_pass(Slice *s, const int deep, const i32 side, const i32 *left) {
    const i32 shift = (deep ? BASIS_BITS_16 : BASIS_BITS_8) - MIDDLE_BITS;
    for (i32 g = 0; 8 * g < s->columns; g++) {
        for (i32 k = 0; k < s->rows; k++) {
            const i32 *levels = s->levels + k * STRIDE + 8 * g;
            store_i32x8(s->core[g][k],
                        deep ? dequantise_16(levels, s->step) : dequantise_8(levels, s->step));
        }
        for (i32 i = 0; i < side; i++) {
            const i32 *weights = left + i * CELL;
            i32x8 row;
            if (deep)
                row = clamp_wide(weighted_16(weights, s->core[g], s->rows, shift),
                                 LARGEST_MIDDLE_16);
            else
                row = clamp_both(weighted_8(weights, s->core[g], s->rows, shift), LARGEST_MIDDLE_8);
            /* Row by row: the second pass walks along them. */
            store_i32x8(&s->half[i][8 * g], row);
        }
    }
}

/* The rest times R^T, plus the prediction, into the plane at `to`. */
INLINE void second_pass(Slice *s, const int deep, const i32 side, const i32 *right_t, u16 *to) {
    const i32 shift = (deep ? BASIS_BITS_16 : BASIS_BITS_8) + MIDDLE_BITS + COEFFICIENT_BITS;
    for (i32 i = 0; i < side; i++, to += s->width) {
        const i32 *weights = s->half[i];
        for (i32 g = 0; 8 * g < side; g++) {
            const i32 (*rows)[8] = (const i32 (*)[8])(right_t + g * CELL * 8);
            i32x8 residual = deep ? narrow(weighted_16(weights, rows, s->columns, shift))
                                  : weighted_8(weights, rows, s->columns, shift);
            i32x8 sum = residual + load_i32x8(&s->prediction[i][8 * g]);
            store_u16x8(to + 8 * g, clamp_i32x8(sum, splat_i32x8(0), splat_i32x8(s->largest)));
        }
    }
}

INLINE void inverse_of(Slice *s, const int deep, const i32 size, u16 *to) {
    first_pass(s, deep, UNIT << size, s->left + size * CELL * CELL);
    second_pass(s, deep, UNIT << size, s->right_t + size * CELL * CELL, to);
}

/* Put the prediction plus the inverse transform of s->levels into the plane at `to`. */
static void add_residual(Slice *s, i32 size, u16 *to) {
    if (s->deep)
        size == SIZE_8    ? inverse_of(s, 1, SIZE_8, to)
        : size == SIZE_16 ? inverse_of(s, 1, SIZE_16, to)
                          : inverse_of(s, 1, SIZE_32, to);
    else
        size == SIZE_8    ? inverse_of(s, 0, SIZE_8, to)
        : size == SIZE_16 ? inverse_of(s, 0, SIZE_16, to)
                          : inverse_of(s, 0, SIZE_32, to);
}
