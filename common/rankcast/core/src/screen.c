/* Pixels of 8 bits for a screen: four bytes each, red first, opaque. */
#include "pixels.h"

enum { RGBA_BYTES = 4, STEP = 8, OPAQUE = 255 };

typedef i32 i32x4 __attribute__((vector_size(16)));
typedef u16 u16x4_any __attribute__((vector_size(8), aligned(2), may_alias));
typedef u8 u8x16_any __attribute__((vector_size(16), aligned(1), may_alias));

/* Planes of limited range, with OpenCV's factors times 2^20 as in planes.c ----------------------- */

/* The factors in all lanes. V8 rebuilds a constant at each use, in four instructions: these are
 * hidden from the compiler, so that they are loaded. */
typedef struct {
    i32x4 luma, cr_to_red, cr_to_green, cb_to_green, cb_to_blue, middle, half;
    i16x8 black;
} LimitedFactors;
#define FOUR(value) {value, value, value, value}
static const LimitedFactors FACTORS = {
    .luma = FOUR(1220542),
    .cr_to_red = FOUR(1673527),
    .cr_to_green = FOUR(-852492),
    .cb_to_green = FOUR(-409993),
    .cb_to_blue = FOUR(2116026),
    .middle = FOUR(128),
    .half = FOUR(1 << 19),
    .black = {16, 16, 16, 16, 16, 16, 16, 16},
};

/* What four samples of chroma add to the eight pixels of a row, rounding included. */
typedef struct {
    i32x8 red, green, blue;
} ChromaTerms;

INLINE i32x4 load_chroma(const u16 *from, const LimitedFactors *f) {
    return __builtin_convertvector(*(const u16x4_any *)from, i32x4) - f->middle;
}

INLINE i32x8 each_twice(i32x4 v) {
    return __builtin_shufflevector(v, v, 0, 0, 1, 1, 2, 2, 3, 3);
}

INLINE ChromaTerms chroma_terms(const u16 *cb, const u16 *cr, const LimitedFactors *f) {
    i32x4 u = load_chroma(cb, f), v = load_chroma(cr, f);
    return (ChromaTerms){each_twice(v * f->cr_to_red + f->half),
                         each_twice(u * f->cb_to_green + v * f->cr_to_green + f->half),
                         each_twice(u * f->cb_to_blue + f->half)};
}

INLINE i32x8 luma_term(const u16 *y, const LimitedFactors *f) {
    i16x8 level = load_i16x8(y) - f->black;
    i32x8 factors = __builtin_shufflevector(f->luma, f->luma, 0, 1, 2, 3, 0, 1, 2, 3);
    return __builtin_convertvector(level & (level > 0), i32x8) * factors;
}

/* One channel of eight pixels each of two rows. */
INLINE u8x16 channel_of_rows(i32x8 upper, i32x8 lower, i32x8 chroma) {
    return narrow_to_bytes(narrow_i32x8((upper + chroma) >> 20),
                           narrow_i32x8((lower + chroma) >> 20));
}

INLINE void store_rgba(u8 *to, u8x16 red_green, u8x16 blue_opaque) {
    u16x8 rg = (u16x8)red_green, ba = (u16x8)blue_opaque;
    *(u8x16_any *)to = (u8x16)__builtin_shufflevector(rg, ba, 0, 8, 1, 9, 2, 10, 3, 11);
    *(u8x16_any *)(to + 16) = (u8x16)__builtin_shufflevector(rg, ba, 4, 12, 5, 13, 6, 14, 7, 15);
}

#define LOW_HALVES 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH_HALVES 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31

/* Eight pixels each of two rows, which share their chroma. */
INLINE void limited_to_rgba(const u16 *const y[2], const u16 *cb, const u16 *cr,
                            const LimitedFactors *f, u8 *const to[2]) {
    ChromaTerms chroma = chroma_terms(cb, cr, f);
    i32x8 upper = luma_term(y[0], f), lower = luma_term(y[1], f);
    u8x16 opaque = (u8x16){0} + OPAQUE;
    u8x16 r = channel_of_rows(upper, lower, chroma.red);
    u8x16 g = channel_of_rows(upper, lower, chroma.green);
    u8x16 b = channel_of_rows(upper, lower, chroma.blue);
    store_rgba(to[0], __builtin_shufflevector(r, g, LOW_HALVES),
               __builtin_shufflevector(b, opaque, LOW_HALVES));
    store_rgba(to[1], __builtin_shufflevector(r, g, HIGH_HALVES),
               __builtin_shufflevector(b, opaque, HIGH_HALVES));
}

int64_t rk_screen_limited_420(const uint16_t *y, const uint16_t *cb, const uint16_t *cr,
                              int64_t height, int64_t width, int64_t y_stride,
                              int64_t chroma_stride, uint8_t *rgba) {
    const i64 row_bytes = RGBA_BYTES * width;
    const LimitedFactors *factors = &FACTORS;
    __asm__("" : "+r"(factors));
    for (i64 i = 0; i < height; i += 2, cb += chroma_stride, cr += chroma_stride) {
        /* The last row is converted twice where their number is odd. */
        const i64 below = min_i64(i + 1, height - 1);
        const u16 *luma[2] = {y + i * y_stride, y + below * y_stride};
        u8 *to[2] = {rgba + i * row_bytes, rgba + below * row_bytes};
        i64 j = 0;
        for (; j + STEP <= width; j += STEP) {
            const u16 *from[2] = {luma[0] + j, luma[1] + j};
            u8 *pixels[2] = {to[0] + RGBA_BYTES * j, to[1] + RGBA_BYTES * j};
            limited_to_rgba(from, cb + j / 2, cr + j / 2, factors, pixels);
        }
        if (j < width) {
            u8 last[2][RGBA_BYTES * STEP];
            const u16 *from[2] = {luma[0] + j, luma[1] + j};
            u8 *pixels[2] = {last[0], last[1]};
            limited_to_rgba(from, cb + j / 2, cr + j / 2, factors, pixels);
            for (int row = 0; row < 2; row++)
                COPY(to[row] + RGBA_BYTES * j, last[row], RGBA_BYTES * (width - j));
        }
    }
    return RK_OK;
}

/* BGR, four pixels at a time as long as sixteen bytes of either side are there ------------------- */

enum { BGR_BYTES = 3, PIXELS_A_STEP = 4, PIXELS_A_LOAD = 6 };

/* Every pixel is read before it is written: `bgr` may lie at the end of `rgba`. */
int64_t rk_screen_from_bgr(const uint8_t *bgr, int64_t count, uint8_t *rgba) {
    const u8x16 opaque = {OPAQUE};
    i64 i = 0;
    for (; i + PIXELS_A_LOAD <= count; i += PIXELS_A_STEP) {
        u8x16 from = *(const u8x16_any *)(bgr + BGR_BYTES * i);
        *(u8x16_any *)(rgba + RGBA_BYTES * i) = __builtin_shufflevector(
            from, opaque, 2, 1, 0, 16, 5, 4, 3, 16, 8, 7, 6, 16, 11, 10, 9, 16);
    }
    for (; i < count; i++) {
        const u8 *from = bgr + BGR_BYTES * i;
        u8 pixel[RGBA_BYTES] = {from[2], from[1], from[0], OPAQUE};
        COPY(rgba + RGBA_BYTES * i, pixel, RGBA_BYTES);
    }
    return RK_OK;
}

int64_t rk_screen_to_bgr(const uint8_t *rgba, int64_t count, uint8_t *bgr) {
    i64 i = 0;
    for (; i + PIXELS_A_LOAD <= count; i += PIXELS_A_STEP) {
        u8x16 from = *(const u8x16_any *)(rgba + RGBA_BYTES * i);
        /* Four bytes too many, which the next pixels replace. */
        *(u8x16_any *)(bgr + BGR_BYTES * i) = __builtin_shufflevector(
            from, from, 2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 12, 12, 12, 12);
    }
    for (; i < count; i++)
        for (i64 channel = 0; channel < BGR_BYTES; channel++)
            bgr[BGR_BYTES * i + channel] = rgba[RGBA_BYTES * i + 2 - channel];
    return RK_OK;
}
