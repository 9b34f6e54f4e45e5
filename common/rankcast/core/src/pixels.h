/* Samples of one or two bytes, and eight interleaved pixels of three samples as a vector a channel.
 *
 * `bytes` of a sample is a constant where these functions are called, so that each caller is
 * compiled for its type alone.
 */
#ifndef RK_PIXELS_H
#define RK_PIXELS_H

#include "lanes.h"

enum { BLUE, GREEN, RED, COLOURS };

typedef struct {
    i32x8 channel[COLOURS];
} Pixels8;

typedef u8 u8x16 __attribute__((vector_size(16)));
typedef u16 u16x16 __attribute__((vector_size(32)));

/* Places of one channel among the 24 samples of eight pixels. */
#define EVERY_THIRD(c) c, c + 3, c + 6, c + 9, c + 12, c + 15, c + 18, c + 21
/* Where 24 interleaved samples come from if the channel c begins at 8 c: the first 16, the rest. */
#define INTERLEAVED_0 0, 8, 16, 1, 9, 17, 2, 10, 18, 3, 11, 19, 4, 12, 20, 5
#define INTERLEAVED_1 13, 21, 6, 14, 22, 7, 15, 23

#define DEFINE_PIXELS_OF(SAMPLE)                                                                 \
    INLINE Pixels8 load_pixels_##SAMPLE(const SAMPLE *from) {                                    \
        SAMPLE##x8 a = *(const SAMPLE##x8_any *)from;                                            \
        SAMPLE##x8 b = *(const SAMPLE##x8_any *)(from + 8);                                      \
        SAMPLE##x8 c = *(const SAMPLE##x8_any *)(from + 16);                                     \
        SAMPLE##x16 ab = __builtin_shufflevector(a, b, FIRST_16);                                \
        SAMPLE##x16 cc = __builtin_shufflevector(c, c, FIRST_16);                                \
        SAMPLE##x8 blue = __builtin_shufflevector(ab, cc, EVERY_THIRD(BLUE));                    \
        SAMPLE##x8 green = __builtin_shufflevector(ab, cc, EVERY_THIRD(GREEN));                  \
        SAMPLE##x8 red = __builtin_shufflevector(ab, cc, EVERY_THIRD(RED));                      \
        return (Pixels8){{__builtin_convertvector(blue, i32x8),                                  \
                          __builtin_convertvector(green, i32x8),                                 \
                          __builtin_convertvector(red, i32x8)}};                                 \
    }                                                                                            \
    INLINE void store_pixels_##SAMPLE(SAMPLE *to, Pixels8 from) {                                \
        SAMPLE##x8 blue = __builtin_convertvector(from.channel[BLUE], SAMPLE##x8);               \
        SAMPLE##x8 green = __builtin_convertvector(from.channel[GREEN], SAMPLE##x8);             \
        SAMPLE##x8 red = __builtin_convertvector(from.channel[RED], SAMPLE##x8);                 \
        SAMPLE##x16 bg = __builtin_shufflevector(blue, green, FIRST_16);                         \
        SAMPLE##x16 rr = __builtin_shufflevector(red, red, FIRST_16);                            \
        SAMPLE##x16 start = __builtin_shufflevector(bg, rr, INTERLEAVED_0);                      \
        COPY(to, &start, sizeof(start));                                                         \
        *(SAMPLE##x8_any *)(to + 16) = __builtin_shufflevector(bg, rr, INTERLEAVED_1);           \
    }

DEFINE_PIXELS_OF(u8)
DEFINE_PIXELS_OF(u16)

/* Sixteen samples of the nearest value from 0 to 255. */
INLINE u8x16 narrow_to_bytes(i16x8 left, i16x8 right) {
#if defined(__wasm_simd128__)
    return (u8x16)__builtin_wasm_narrow_u_i8x16_i16x8(left, right);
#else
    i16x16 value = __builtin_shufflevector(left, right, FIRST_16);
    value &= value > 0;
    i16x16 above = value > 255;
    return __builtin_convertvector((value & ~above) | (above & 255), u8x16);
#endif
}

#if defined(__wasm_simd128__)
typedef i8 i8x16 __attribute__((vector_size(16)));
enum { NO = 128 };
/* Which sample of each channel a byte of sixteen pixels takes, for each of three vectors. */
static const i8x16 PLACES[COLOURS][3] = {
    {(i8x16)(u8x16){0, NO, NO, 1, NO, NO, 2, NO, NO, 3, NO, NO, 4, NO, NO, 5},
     (i8x16)(u8x16){NO, NO, 6, NO, NO, 7, NO, NO, 8, NO, NO, 9, NO, NO, 10, NO},
     (i8x16)(u8x16){NO, 11, NO, NO, 12, NO, NO, 13, NO, NO, 14, NO, NO, 15, NO, NO}},
    {(i8x16)(u8x16){NO, 0, NO, NO, 1, NO, NO, 2, NO, NO, 3, NO, NO, 4, NO, NO},
     (i8x16)(u8x16){5, NO, NO, 6, NO, NO, 7, NO, NO, 8, NO, NO, 9, NO, NO, 10},
     (i8x16)(u8x16){NO, NO, 11, NO, NO, 12, NO, NO, 13, NO, NO, 14, NO, NO, 15, NO}},
    {(i8x16)(u8x16){NO, NO, 0, NO, NO, 1, NO, NO, 2, NO, NO, 3, NO, NO, 4, NO},
     (i8x16)(u8x16){NO, 5, NO, NO, 6, NO, NO, 7, NO, NO, 8, NO, NO, 9, NO, NO},
     (i8x16)(u8x16){10, NO, NO, 11, NO, NO, 12, NO, NO, 13, NO, NO, 14, NO, NO, 15}},
};

/* Sixteen pixels, interleaved. V8 rebuilds a constant at each use, in four instructions: these are
 * hidden from the compiler, so that they are loaded. */
INLINE void store_sixteen_pixels(u8 *to, u8x16 b, u8x16 g, u8x16 r) {
    const i8x16 (*places)[3] = PLACES;
    __asm__("" : "+r"(places));
    for (int k = 0; k < 3; k++) {
        i8x16 bytes = __builtin_wasm_swizzle_i8x16((i8x16)b, places[BLUE][k])
                    | __builtin_wasm_swizzle_i8x16((i8x16)g, places[GREEN][k])
                    | __builtin_wasm_swizzle_i8x16((i8x16)r, places[RED][k]);
        COPY(to + 16 * k, &bytes, sizeof(bytes));
    }
}
#else
/* Sixteen pixels, interleaved: blue and green go to their places, then red between them. */
INLINE void store_sixteen_pixels(u8 *to, u8x16 b, u8x16 g, u8x16 r) {
    u8x16 first = __builtin_shufflevector(b, g, 0, 16, 0, 1, 17, 0, 2, 18, 0, 3, 19, 0, 4, 20, 0, 5);
    u8x16 second =
        __builtin_shufflevector(b, g, 21, 0, 6, 22, 0, 7, 23, 0, 8, 24, 0, 9, 25, 0, 10, 26);
    u8x16 third =
        __builtin_shufflevector(b, g, 0, 11, 27, 0, 12, 28, 0, 13, 29, 0, 14, 30, 0, 15, 31, 0);
    first = __builtin_shufflevector(first, r, 0, 1, 16, 3, 4, 17, 6, 7, 18, 9, 10, 19, 12, 13, 20,
                                    15);
    second = __builtin_shufflevector(second, r, 0, 21, 2, 3, 22, 5, 6, 23, 8, 9, 24, 11, 12, 25, 14,
                                     15);
    third = __builtin_shufflevector(third, r, 26, 1, 2, 27, 4, 5, 28, 7, 8, 29, 10, 11, 30, 13, 14,
                                    31);
    COPY(to, &first, sizeof(first));
    COPY(to + 16, &second, sizeof(second));
    COPY(to + 32, &third, sizeof(third));
}
#endif

INLINE Pixels8 load_pixels(const void *from, const int bytes) {
    return bytes == 1 ? load_pixels_u8(from) : load_pixels_u16(from);
}

INLINE void store_pixels(void *to, Pixels8 from, const int bytes) {
    if (bytes == 1)
        store_pixels_u8(to, from);
    else
        store_pixels_u16(to, from);
}

#define PEAK(bytes) ((1 << 8 * (bytes)) - 1)

INLINE i32 sample_at(const void *samples, i64 i, const int bytes) {
    return bytes == 1 ? ((const u8 *)samples)[i] : ((const u16 *)samples)[i];
}

INLINE void set_sample(void *samples, i64 i, i32 value, const int bytes) {
    if (bytes == 1)
        ((u8 *)samples)[i] = (u8)value;
    else
        ((u16 *)samples)[i] = (u16)value;
}

INLINE i32x8 load_samples(const void *samples, i64 i, const int bytes) {
    return bytes == 1 ? load_u8x8((const u8 *)samples + i) : load_u16x8((const u16 *)samples + i);
}

INLINE void store_samples(void *samples, i64 i, i32x8 values, const int bytes) {
    if (bytes == 1)
        store_u8x8((u8 *)samples + i, values);
    else
        store_u16x8((u16 *)samples + i, values);
}

#endif
