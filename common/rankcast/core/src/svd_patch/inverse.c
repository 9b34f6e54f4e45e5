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

/* The rest times R^T, added to the prediction in the plane at `to`. */
INLINE void second_pass(Slice *s, const int deep, const i32 side, const i32 *right_t, u16 *to) {
    const i32 shift = (deep ? BASIS_BITS_16 : BASIS_BITS_8) + MIDDLE_BITS + COEFFICIENT_BITS;
    for (i32 i = 0; i < side; i++, to += s->width) {
        const i32 *weights = s->half[i];
        for (i32 g = 0; 8 * g < side; g++) {
            const i32 (*rows)[8] = (const i32 (*)[8])(right_t + g * CELL * 8);
            i32x8 residual = deep ? narrow(weighted_16(weights, rows, s->columns, shift))
                                  : weighted_8(weights, rows, s->columns, shift);
            i32x8 sum = residual + load_u16x8(to + 8 * g);
            store_u16x8(to + 8 * g, clamp_i32x8(sum, splat_i32x8(0), splat_i32x8(s->largest)));
        }
    }
}

INLINE void inverse_of(Slice *s, const int deep, const i32 size, u16 *to) {
    first_pass(s, deep, UNIT << size, s->left + size * CELL * CELL);
    second_pass(s, deep, UNIT << size, s->right_t + size * CELL * CELL, to);
}

/* Most cores of 8-bit samples are small enough for products of 16 bits, summed in pairs. -------- */

/* Enter the factors for these: neighbours along the sum lie side by side. */
static void pair_factors(Slice *s) {
    for (i32 size = 0; size < SIZES; size++) {
        const i32 *left = s->left + size * CELL * CELL, *right_t = s->right_t + size * CELL * CELL;
        i32 side = UNIT << size, count = min_i32(side, CODED_SIDE);
        i32x8 largest = splat_i32x8(1);
        for (i32 i = 0; i < side; i++)
            for (i32 k = 0; k < count; k += 8) {
                i32x8 weights = load_i32x8(left + i * CELL + k);
                largest = max_i32x8(largest, abs_i32x8(weights));
                store_i16x8(&s->left_pairs[size][i][k], narrow_i32x8(weights));
            }
        for (i32 g = 0; 8 * g < side; g++)
            for (i32 k = 0; k < count; k += 2) {
                const i32 *rows = right_t + (g * CELL + k) * 8;
                s->right_pairs[size][g][k / 2] = interleave_i16x8(
                    narrow_i32x8(load_i32x8(rows)), narrow_i32x8(load_i32x8(rows + 8)));
            }
        i32 weight = 1;
        for (i32 lane = 0; lane < LANES; lane++) weight = max_i32(weight, largest[lane]);
        /* L M is at most this weight times the sum of a column of M: it must fit too. */
        i32 limit = (INT16_MAX << (BASIS_BITS_8 - MIDDLE_BITS)) / weight;
        s->pair_limits[size] = min_i32(INT16_MAX, limit);
    }
}

/* Dequantise the core, two rows side by side; return 0 if it is too large. */
INLINE int pair_core(Slice *s, i32 size) {
    i32x8 most = splat_i32x8(0);
    for (i32 g = 0; 8 * g < s->columns; g++) {
        i32x8 sum = splat_i32x8(0);
        for (i32 k = 0; k < s->rows; k += 2) {
            /* Behind the last row lie zeros. */
            const i32 *levels = s->levels + k * STRIDE + 8 * g;
            i32x8 first = dequantise_8(levels, s->step);
            i32x8 second = dequantise_8(levels + STRIDE, s->step);
            sum += abs_i32x8(first) + abs_i32x8(second);
            s->core_pairs[g][k / 2] = interleave_i16x8(narrow_i32x8(first), narrow_i32x8(second));
        }
        most = max_i32x8(most, sum);
    }
    return !any_lane(most > s->pair_limits[size]);
}

/* Sums as in weighted_8, of `count` pairs. */
INLINE i32x8 weighted_pairs(const i16 *weights, const i16x16 *pairs, i32 count, const i32 shift) {
    i32x8 sum = splat_i32x8(1 << (shift - 1));
    for (i32 k = 0; k < count; k++) sum += dot_pairs(splat_pair(weights + 2 * k), pairs[k]);
    return sum >> shift;
}

INLINE void inverse_of_pairs(Slice *s, const i32 size, u16 *to) {
    const i32 side = UNIT << size;
    const i32 row_pairs = (s->rows + 1) / 2, column_pairs = (s->columns + 1) / 2;
    const i16x8 zero = splat_i16x8(0), largest = splat_i16x8((i16)s->largest);
    for (i32 i = 0; i < side; i++, to += s->width) {
        const i16 *weights = s->left_pairs[size][i];
        _Alignas(16) i16 half[CODED_SIDE];
        for (i32 g = 0; 8 * g < s->columns; g++)
            store_i16x8(half + 8 * g,
                        narrow_i32x8(weighted_pairs(weights, s->core_pairs[g], row_pairs,
                                                    BASIS_BITS_8 - MIDDLE_BITS)));
        for (i32 g = 0; 8 * g < side; g++) {
            i32x8 residual = weighted_pairs(half, s->right_pairs[size][g], column_pairs,
                                            BASIS_BITS_8 + MIDDLE_BITS + COEFFICIENT_BITS);
            /* Both are below 2^14. */
            i16x8 sum = narrow_i32x8(residual) + load_i16x8(to + 8 * g);
            store_i16x8(to + 8 * g, clamp_i16x8(sum, zero, largest));
        }
    }
}

OUTLINE void add_large_residual(Slice *s, i32 size, u16 *to) {
    first_pass(s, 0, UNIT << size, s->left + size * CELL * CELL);
    second_pass(s, 0, UNIT << size, s->right_t + size * CELL * CELL, to);
}

/* Add the inverse transform of s->levels to the prediction, which is in the plane at `to`. */
static void add_residual_in_place(Slice *s, i32 size, u16 *to) {
    if (s->deep)
        size == SIZE_8    ? inverse_of(s, 1, SIZE_8, to)
        : size == SIZE_16 ? inverse_of(s, 1, SIZE_16, to)
                          : inverse_of(s, 1, SIZE_32, to);
    else if (!pair_core(s, size))
        add_large_residual(s, size, to);
    else
        size == SIZE_8    ? inverse_of_pairs(s, SIZE_8, to)
        : size == SIZE_16 ? inverse_of_pairs(s, SIZE_16, to)
                          : inverse_of_pairs(s, SIZE_32, to);
}

INLINE void copy_prediction(const Slice *s, i32 side, u16 *to) {
    for (i32 i = 0; i < side; i++, to += s->width)
        for (i32 j = 0; j < side; j += 8) store_i16x8(to + j, load_i16x8(&s->prediction[i][j]));
}

/* Put the prediction plus the inverse transform of s->levels into the plane at `to`. */
static void add_residual(Slice *s, i32 size, u16 *to) {
    copy_prediction(s, UNIT << size, to);
    add_residual_in_place(s, size, to);
}
