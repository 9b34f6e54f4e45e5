/* Vectors of eight lanes, in the extension that GCC and clang share.
 *
 * Eight lanes of 32 bits are one AVX2 register at x86-64-v3 and two SSE registers at v2; the results
 * are the same, because every operation below works lane by lane and -ffp-contract is off.
 */
#ifndef RK_LANES_H
#define RK_LANES_H

#include "base.h"

/* GCC warns that such vectors are passed otherwise at other levels; all functions here are inlined. */
#pragma GCC diagnostic ignored "-Wpsabi"

enum { LANES = 8 };

typedef i32 i32x8 __attribute__((vector_size(32)));
typedef i64 i64x8 __attribute__((vector_size(64)));
typedef f32 f32x8 __attribute__((vector_size(32)));
typedef f64 f64x8 __attribute__((vector_size(64)));
typedef u32 u32x8 __attribute__((vector_size(32)));
typedef i16 i16x8 __attribute__((vector_size(16)));
typedef i16 i16x16 __attribute__((vector_size(32)));
typedef u16 u16x8 __attribute__((vector_size(16)));
typedef u8 u8x8 __attribute__((vector_size(8)));
typedef i32 i32x8_any __attribute__((vector_size(32), aligned(4), may_alias));
typedef i64 i64x8_any __attribute__((vector_size(64), aligned(8), may_alias));
typedef f32 f32x8_any __attribute__((vector_size(32), aligned(4), may_alias));
typedef f64 f64x8_any __attribute__((vector_size(64), aligned(8), may_alias));
typedef i16 i16x8_any __attribute__((vector_size(16), aligned(2), may_alias));
typedef i16 i16x16_any __attribute__((vector_size(32), aligned(2), may_alias));
typedef u16 u16x8_any __attribute__((vector_size(16), aligned(2), may_alias));
typedef i8 i8x8 __attribute__((vector_size(8)));
typedef u8 u8x8_any __attribute__((vector_size(8), aligned(1), may_alias));

INLINE i32x8 load_i32x8(const i32 *from) { return *(const i32x8_any *)from; }
INLINE void store_i32x8(i32 *to, i32x8 value) { *(i32x8_any *)to = value; }
INLINE f32x8 load_f32x8(const f32 *from) { return *(const f32x8_any *)from; }
INLINE void store_f32x8(f32 *to, f32x8 value) { *(f32x8_any *)to = value; }
INLINE i32x8 load_u16x8(const u16 *from) {
    return __builtin_convertvector(*(const u16x8_any *)from, i32x8);
}
INLINE void store_u16x8(u16 *to, i32x8 value) {
    *(u16x8_any *)to = __builtin_convertvector(value, u16x8);
}
/* Samples of at most 15 bits, in lanes of 16. */
INLINE i16x8 load_i16x8(const void *from) { return *(const i16x8_any *)from; }
INLINE void store_i16x8(void *to, i16x8 value) { *(i16x8_any *)to = value; }
INLINE i16x8 splat_i16x8(i16 value) {
    return (i16x8){value, value, value, value, value, value, value, value};
}
INLINE i32x8 load_u8x8(const u8 *from) {
    return __builtin_convertvector(*(const u8x8_any *)from, i32x8);
}
INLINE void store_u8x8(u8 *to, i32x8 value) {
    *(u8x8_any *)to = __builtin_convertvector(value, u8x8);
}
INLINE i16x16 load_i16x16(const void *from) { return *(const i16x16_any *)from; }
#define FIRST_16 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
/* Eight samples of two rows each. */
INLINE i16x16 load_two_rows(const void *upper, const void *lower) {
    return __builtin_shufflevector(load_i16x8(upper), load_i16x8(lower), FIRST_16);
}
INLINE f64x8 load_f64x8(const f64 *from) { return *(const f64x8_any *)from; }
INLINE void store_f64x8(f64 *to, f64x8 value) { *(f64x8_any *)to = value; }
INLINE i32x8 splat_i32x8(i32 value) {
    return (i32x8){value, value, value, value, value, value, value, value};
}
INLINE f32x8 splat_f32x8(f32 value) {
    return (f32x8){value, value, value, value, value, value, value, value};
}
INLINE i32x8 select_i32x8(i32x8 mask, i32x8 yes, i32x8 no) { return (mask & yes) | (~mask & no); }
INLINE f32x8 select_f32x8(i32x8 mask, f32x8 yes, f32x8 no) {
    return (f32x8)select_i32x8(mask, (i32x8)yes, (i32x8)no);
}
/* Whether a comparison holds in some lane. */
INLINE int any_lane_i16x8(i16x8 mask) { return (u64)__builtin_convertvector(mask, i8x8) != 0; }
INLINE int any_lane(i32x8 mask) { return any_lane_i16x8(__builtin_convertvector(mask, i16x8)); }
INLINE i32x8 min_i32x8(i32x8 a, i32x8 b) { return select_i32x8(a < b, a, b); }
INLINE i32x8 max_i32x8(i32x8 a, i32x8 b) { return select_i32x8(a > b, a, b); }
INLINE i32x8 clamp_i32x8(i32x8 value, i32x8 low, i32x8 high) {
    value = select_i32x8(value < low, low, value);
    return select_i32x8(value > high, high, value);
}
INLINE i16x8 clamp_i16x8(i16x8 value, i16x8 low, i16x8 high) {
    i16x8 below = value < low;
    value = (below & low) | (~below & value);
    i16x8 above = value > high;
    return (above & high) | (~above & value);
}

/* Lanes of half the width, of the nearest value that they can hold. */
INLINE i16x8 narrow_i32x8(i32x8 value) {
#if defined(__wasm_simd128__)
    typedef i32 i32x4 __attribute__((vector_size(16)));
    return __builtin_wasm_narrow_s_i16x8_i32x4(
        (i32x4)__builtin_shufflevector(value, value, 0, 1, 2, 3),
        (i32x4)__builtin_shufflevector(value, value, 4, 5, 6, 7));
#else
    value = clamp_i32x8(value, splat_i32x8(INT16_MIN), splat_i32x8(INT16_MAX));
    return __builtin_convertvector(value, i16x8);
#endif
}

/* Lanes of two vectors in turn. */
INLINE i16x16 interleave_i16x8(i16x8 a, i16x8 b) {
    return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
}
/* Two neighbours in memory, in turn in all lanes. */
INLINE i16x16 splat_pair(const i16 *from) {
    i32 both;
    COPY(&both, from, sizeof(both));
    return (i16x16)splat_i32x8(both);
}
/* The product of each lane with that of the other vector, summed in pairs: x86 and WebAssembly have
 * one instruction for it, which takes half the time of a product of 32 bits. */
INLINE i32x8 dot_pairs(i16x16 a, i16x16 b) {
#if defined(__wasm_simd128__)
    typedef i32 i32x4 __attribute__((vector_size(16)));
    i32x4 low = __builtin_wasm_dot_s_i32x4_i16x8(
        __builtin_shufflevector(a, a, 0, 1, 2, 3, 4, 5, 6, 7),
        __builtin_shufflevector(b, b, 0, 1, 2, 3, 4, 5, 6, 7));
    i32x4 high = __builtin_wasm_dot_s_i32x4_i16x8(
        __builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15),
        __builtin_shufflevector(b, b, 8, 9, 10, 11, 12, 13, 14, 15));
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
#elif defined(__AVX2__)
    return (i32x8)__builtin_ia32_pmaddwd256(a, b);
#else
    /* Even lanes by shifts; compilers find the instructions of x86 and aarch64. */
    i32x8 even = (((i32x8)a << 16) >> 16) * (((i32x8)b << 16) >> 16);
    return even + ((i32x8)a >> 16) * ((i32x8)b >> 16);
#endif
}

INLINE i32x8 abs_i32x8(i32x8 value) {
    i32x8 sign = value >> 31;
    return (value ^ sign) - sign;
}
INLINE i16x16 abs_i16x16(i16x16 value) {
    i16x16 sign = value >> 15;
    return (value ^ sign) - sign;
}
INLINE i32 sum_i32x8(i32x8 value) {
    i32 sum = 0;
    for (int lane = 0; lane < 8; lane++) sum += value[lane];
    return sum;
}
INLINE i32 sum_i16x16(i16x16 value) {
    const i16x16 one = (i16x16){0} + 1;
    return sum_i32x8(dot_pairs(value, one));
}
INLINE f64x8 select_f64x8(i64x8 mask, f64x8 yes, f64x8 no) {
    return (f64x8)((mask & (i64x8)yes) | (~mask & (i64x8)no));
}
INLINE f64x8 abs_f64x8(f64x8 value) { return (f64x8)((i64x8)value & INT64_MAX); }
INLINE i64 sum_i64x8(i64x8 value) {
    i64 sum = 0;
    for (int lane = 0; lane < 8; lane++) sum += value[lane];
    return sum;
}

/* Rows of eight become columns: interleaving each row with the one four below, three times. */
INLINE void transpose_u16x8(u16x8 *rows) {
    for (int round = 0; round < 3; round++) {
        u16x8 out[8];
        for (int i = 0; i < 4; i++) {
            u16x8 a = rows[i], b = rows[i + 4];
            out[2 * i] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
            out[2 * i + 1] = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
        }
        for (int i = 0; i < 8; i++) rows[i] = out[i];
    }
}

INLINE f32x8 to_f32x8(i32x8 value) { return __builtin_convertvector(value, f32x8); }
INLINE f32x8 abs_f32x8(f32x8 value) { return (f32x8)((i32x8)value & 0x7FFFFFFF); }
/* Zero where a lane is negative. */
INLINE f32x8 positive_f32x8(f32x8 value) { return (f32x8)((i32x8)value & (value > 0)); }
/* Add eight lanes to a total, one after the other. */
INLINE f32 add_lanes(f32 total, f32x8 value) {
    for (int i = 0; i < 8; i++) total += value[i];
    return total;
}
/* Sum of eight lanes, in pairs of halves. */
INLINE f32 fold_f32x8(f32x8 v) {
    return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]));
}

#endif
