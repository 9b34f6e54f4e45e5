/* BGR to luma and chroma and back: BT.601 in integers, so that both ends compute the same samples.
 *
 * Weights are multiples of 2^-15. All of it fits into lanes of 32 bits; where a product would not,
 * one factor is cut in two, which is exact: floor((256 a + b) / 2^17) is
 * floor((a + floor(b / 256)) / 2^9).
 */
#include "pixels.h"

enum {
    SHIFT = 15,
    HALF = 1 << (SHIFT - 1),
    /* Weights of ITU-R BT.601; they sum to exactly 2^15. */
    LUMA_R = 9798,
    LUMA_G = 19235,
    LUMA_B = 3735,
    TO_CB = 18492,   /* 1 / (2 (1 - 0.114)) */
    TO_CR = 23372,   /* 1 / (2 (1 - 0.299)) */
    CB_TO_B = 58065, /* 2 (1 - 0.114) */
    CR_TO_R = 45941, /* 2 (1 - 0.299) */
    CB_TO_G = 11277,
    CR_TO_G = 23401,
    MAX_U16 = PEAK(2),
    MIDDLE_U16 = 1 << 15,
    FINE_BITS = 2, /* planes in quarter levels: whole ones would cap luma at 54 dB */
    FINE_MAX = (256 << FINE_BITS) - 1,
};

INLINE i32x8 clamp_to(i32x8 value, i32 most) {
    return clamp_i32x8(value, splat_i32x8(0), splat_i32x8(most));
}

INLINE i32x8 weighted_luma(Pixels8 p) {
    return LUMA_R * p.channel[RED] + LUMA_G * p.channel[GREEN] + LUMA_B * p.channel[BLUE];
}

/* 4:2:0 of 8-bit pictures ---------------------------------------------------------------------- */

/* BT.601 limited range with OpenCV's factors, times 2^20; 128 and a half are added. */
INLINE void limited_chroma(const u8 *bgr, u8 *cb, u8 *cr) {
    const i32 middle = (128 << 20) + (1 << 19);
    Pixels8 p = load_pixels_u8(bgr);
    i32x8 b = p.channel[BLUE], g = p.channel[GREEN], r = p.channel[RED];
    store_u8x8(cb, (460324 * b - 305135 * g - 155188 * r + middle) >> 20);
    store_u8x8(cr, (460324 * r - 385875 * g - 74448 * b + middle) >> 20);
}

int64_t rk_planes_limited_chroma(const uint8_t *bgr, int64_t pixels, uint8_t *cb, uint8_t *cr) {
    i64 i = 0;
    for (; i + 8 <= pixels; i += 8) limited_chroma(bgr + 3 * i, cb + i, cr + i);
    if (i < pixels) {
        u8 in[24] = {0}, out[2][8];
        COPY(in, bgr + 3 * i, 3 * (pixels - i));
        limited_chroma(in, out[0], out[1]);
        COPY(cb + i, out[0], pixels - i);
        COPY(cr + i, out[1], pixels - i);
    }
    return RK_OK;
}

/* Luma of eight pixels with OpenCV's factors, times 2^20; 16 and a half are added. */
INLINE i32x8 limited_luma(Pixels8 p) {
    i32x8 weighted =
        269484 * p.channel[RED] + 528482 * p.channel[GREEN] + 102760 * p.channel[BLUE];
    return (weighted + (16 << 20) + (1 << 19)) >> 20;
}

INLINE i32x8 sums_of_pairs(i32x8 left, i32x8 right) {
    return __builtin_shufflevector(left, right, 0, 2, 4, 6, 8, 10, 12, 14)
        + __builtin_shufflevector(left, right, 1, 3, 5, 7, 9, 11, 13, 15);
}

/* Sixteen pixels of two rows each. Chroma is that of rounded means of 2 x 2 pixels. */
INLINE void split_limited(const u8 *const bgr[2], u16 *const y[2], u16 *cb, u16 *cr) {
    const i32 middle = (128 << 20) + (1 << 19);
    i32x8 sums[2][COLOURS], mean[COLOURS];
    for (int half = 0; half < 2; half++) {
        Pixels8 upper = load_pixels_u8(bgr[0] + 24 * half);
        Pixels8 lower = load_pixels_u8(bgr[1] + 24 * half);
        store_u16x8(y[0] + 8 * half, limited_luma(upper));
        store_u16x8(y[1] + 8 * half, limited_luma(lower));
        for (int c = 0; c < COLOURS; c++)
            sums[half][c] = upper.channel[c] + lower.channel[c];
    }
    for (int c = 0; c < COLOURS; c++)
        mean[c] = (sums_of_pairs(sums[0][c], sums[1][c]) + 2) >> 2;
    i32x8 b = mean[BLUE], g = mean[GREEN], r = mean[RED];
    store_u16x8(cb, (460324 * b - 305135 * g - 155188 * r + middle) >> 20);
    store_u16x8(cr, (460324 * r - 385875 * g - 74448 * b + middle) >> 20);
}

/* The last pixels of two rows, fewer than sixteen; the last one repeats where the width is odd. */
INLINE void split_limited_rest(const u8 *const bgr[2], i64 count, u16 *const y[2], u16 *cb,
                               u16 *cr) {
    u8 in[2][48] = {{0}};
    u16 luma[2][16], chroma[2][8];
    const u8 *from[2] = {in[0], in[1]};
    u16 *to[2] = {luma[0], luma[1]};
    for (int row = 0; row < 2; row++) {
        COPY(in[row], bgr[row], 3 * count);
        COPY(in[row] + 3 * count, bgr[row] + 3 * (count - 1), 3);
    }
    split_limited(from, to, chroma[0], chroma[1]);
    for (int row = 0; row < 2; row++) COPY(y[row], luma[row], 2 * count);
    COPY(cb, chroma[0], 2 * ((count + 1) / 2));
    COPY(cr, chroma[1], 2 * ((count + 1) / 2));
}

int64_t rk_planes_split_limited_420(const uint8_t *bgr, int64_t height, int64_t width, uint16_t *y,
                                    uint16_t *cb, uint16_t *cr, int64_t y_stride,
                                    int64_t chroma_stride) {
    for (i64 i = 0; i < height; i += 2, cb += chroma_stride, cr += chroma_stride) {
        /* The last row repeats where their number is odd; it is split twice then. */
        i64 below = min_i64(i + 1, height - 1);
        const u8 *pixels[2] = {bgr + 3 * i * width, bgr + 3 * below * width};
        u16 *luma[2] = {y + i * y_stride, y + below * y_stride};
        i64 j = 0;
        for (; j + 16 <= width; j += 16) {
            const u8 *from[2] = {pixels[0] + 3 * j, pixels[1] + 3 * j};
            u16 *to[2] = {luma[0] + j, luma[1] + j};
            split_limited(from, to, cb + j / 2, cr + j / 2);
        }
        if (j < width) {
            const u8 *from[2] = {pixels[0] + 3 * j, pixels[1] + 3 * j};
            u16 *to[2] = {luma[0] + j, luma[1] + j};
            split_limited_rest(from, width - j, to, cb + j / 2, cr + j / 2);
        }
    }
    return RK_OK;
}

/* Sixteen pixels of one row, back with OpenCV's factors, times 2^20. Whole vectors of sixteen samples
 * are interleaved: WebAssembly takes those of eight apart, lane by lane. */
typedef i32 i32x16 __attribute__((vector_size(64)));

INLINE i32x16 twice_each(i32x8 v) {
    return __builtin_shufflevector(v, v, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
}

INLINE i32x16 join_lanes(i32x8 left, i32x8 right) {
    return __builtin_shufflevector(left, right, FIRST_16);
}

INLINE u8x16 limited_sample(i32x16 scaled) {
    i32x16 sample = scaled >> 20;
    return narrow_to_bytes(
        narrow_i32x8(__builtin_shufflevector(sample, sample, 0, 1, 2, 3, 4, 5, 6, 7)),
        narrow_i32x8(__builtin_shufflevector(sample, sample, 8, 9, 10, 11, 12, 13, 14, 15)));
}

INLINE void merge_limited(const void *y, const void *cb, const void *cr, u8 *bgr, const int bytes) {
    i32x8 u = load_samples(cb, 0, bytes) - 128, v = load_samples(cr, 0, bytes) - 128;
    i32x16 luma = join_lanes(load_samples(y, 0, bytes), load_samples(y, 8, bytes)) - 16;
    luma = 1220542 * (luma & (luma > 0)) + (1 << 19);
    u8x16 b = limited_sample(luma + twice_each(2116026 * u));
    u8x16 g = limited_sample(luma - twice_each(409993 * u + 852492 * v));
    u8x16 r = limited_sample(luma + twice_each(1673527 * v));
    store_sixteen_pixels(bgr, b, g, r);
}

INLINE void merge_all_limited(const u8 *y, const u8 *cb, const u8 *cr, i64 height, i64 width,
                              u8 *bgr, const int bytes) {
    i64 chroma_width = (width + 1) / 2;
    for (i64 i = 0; i < height; i++, y += width * bytes, bgr += 3 * width) {
        const u8 *cb_row = cb + i / 2 * chroma_width * bytes;
        const u8 *cr_row = cr + i / 2 * chroma_width * bytes;
        i64 j = 0;
        for (; j + 16 <= width; j += 16)
            merge_limited(y + j * bytes, cb_row + j / 2 * bytes, cr_row + j / 2 * bytes,
                          bgr + 3 * j, bytes);
        if (j < width) {
            u16 in[16] = {0}, chroma[2][8] = {{0}};
            u8 out[48];
            COPY(in, y + j * bytes, (width - j) * bytes);
            COPY(chroma[0], cb_row + j / 2 * bytes, (chroma_width - j / 2) * bytes);
            COPY(chroma[1], cr_row + j / 2 * bytes, (chroma_width - j / 2) * bytes);
            merge_limited(in, chroma[0], chroma[1], out, bytes);
            COPY(bgr + 3 * j, out, 3 * (width - j));
        }
    }
}

int64_t rk_planes_merge_limited_420_u8(const uint8_t *y, const uint8_t *cb, const uint8_t *cr,
                                       int64_t height, int64_t width, uint8_t *bgr) {
    merge_all_limited(y, cb, cr, height, width, bgr, 1);
    return RK_OK;
}

int64_t rk_planes_merge_limited_420_u16(const uint16_t *y, const uint16_t *cb, const uint16_t *cr,
                                        int64_t height, int64_t width, uint8_t *bgr) {
    merge_all_limited((const u8 *)y, (const u8 *)cb, (const u8 *)cr, height, width, bgr, 2);
    return RK_OK;
}

/* Add the squares of sixteen samples, in pairs: at most 2^17 to each lane. */
INLINE i32x8 add_squares(i32x8 sum, i16x16 samples) {
    i32x16 wide = __builtin_convertvector(samples, i32x16), squares = wide * wide;
    return sum + __builtin_shufflevector(squares, squares, 0, 2, 4, 6, 8, 10, 12, 14) +
           __builtin_shufflevector(squares, squares, 1, 3, 5, 7, 9, 11, 13, 15);
}

INLINE i16x16 load_i16x16_u8(const u8 *from) {
    u8x16 samples;
    COPY(&samples, from, sizeof(samples));
    return __builtin_convertvector(samples, i16x16);
}

/* Sums of squares in 32-bit lanes: for 2^13 x 16 pixels at most. */
typedef struct {
    i32x8 error, energy;
} SquareLanes;

/* Add those of sixteen pixels of one row. */
INLINE void add_limited_squares(const u8 *bgr, const u16 *y, const u16 *cb, const u16 *cr,
                                SquareLanes *lanes) {
    u8 rebuilt[48];
    merge_limited(y, cb, cr, rebuilt, 2);
    for (int k = 0; k < 48; k += 16) {
        i16x16 sample = load_i16x16_u8(bgr + k);
        lanes->error = add_squares(lanes->error, sample - load_i16x16_u8(rebuilt + k));
        lanes->energy = add_squares(lanes->energy, sample);
    }
}

/* The same of the last pixels of a row, fewer than sixteen. */
INLINE void add_limited_squares_rest(const u8 *bgr, i64 count, const u16 *y, const u16 *cb,
                                     const u16 *cr, SquareLanes *lanes) {
    u16 luma[16] = {0}, chroma[2][8] = {{0}};
    u8 rebuilt[48];
    COPY(luma, y, 2 * count);
    COPY(chroma[0], cb, 2 * ((count + 1) / 2));
    COPY(chroma[1], cr, 2 * ((count + 1) / 2));
    merge_limited(luma, chroma[0], chroma[1], rebuilt, 2);
    for (i64 k = 0; k < 3 * count; k++) {
        i32 error = bgr[k] - rebuilt[k];
        lanes->error[0] += error * error;
        lanes->energy[0] += bgr[k] * bgr[k];
    }
}

INLINE void flush_lanes(SquareLanes *lanes, i64 *sums) {
    for (int lane = 0; lane < 8; lane++) {
        sums[0] += lanes->error[lane];
        sums[1] += lanes->energy[lane];
    }
    *lanes = (SquareLanes){{0}, {0}};
}

int64_t rk_planes_limited_420_squares(const uint8_t *bgr, int64_t height, int64_t width,
                                      const uint16_t *y, const uint16_t *cb, const uint16_t *cr,
                                      int64_t y_stride, int64_t chroma_stride, int64_t *sums) {
    const i64 flushed_every = 1 << 12; /* of 16 pixels, of which each adds up to 3 x 2^17 */
    sums[0] = sums[1] = 0;
    SquareLanes lanes = {{0}, {0}};
    for (i64 i = 0; i < height; i++, bgr += 3 * width, y += y_stride) {
        const u16 *cb_row = cb + i / 2 * chroma_stride, *cr_row = cr + i / 2 * chroma_stride;
        i64 j = 0;
        for (; j + 16 <= width; j += 16) {
            add_limited_squares(bgr + 3 * j, y + j, cb_row + j / 2, cr_row + j / 2, &lanes);
            if (j / 16 % flushed_every == flushed_every - 1) flush_lanes(&lanes, sums);
        }
        if (j < width)
            add_limited_squares_rest(bgr + 3 * j, width - j, y + j, cb_row + j / 2,
                                     cr_row + j / 2, &lanes);
        flush_lanes(&lanes, sums);
    }
    return RK_OK;
}

/* 4:2:0 of 16-bit pictures --------------------------------------------------------------------- */

/* Chroma of the sums of four pixels: two more bits to shift out. */
INLINE i32x8 chroma_of_four(i32x8 colour, i32x8 luma, i32 factor) {
    i32x8 difference = colour - luma; /* of 19 bits; times the factor, of 34 */
    i32x8 high = factor * (difference >> 8);
    i32x8 low = factor * (difference & 255) + (HALF << 2);
    return clamp_to(((high + (low >> 8)) >> (SHIFT + 2 - 8)) + MIDDLE_U16, MAX_U16);
}

/* Sixteen pixels of two rows each. */
INLINE void split_420(const u16 *const bgr[2], u16 *const y[2], u16 *cb, u16 *cr) {
    i32x8 blue[2], red[2], luma[2];
    for (int half = 0; half < 2; half++) {
        blue[half] = red[half] = luma[half] = splat_i32x8(0);
        for (int row = 0; row < 2; row++) {
            Pixels8 p = load_pixels_u16(bgr[row] + 24 * half);
            i32x8 luma_of_row = (weighted_luma(p) + HALF) >> SHIFT;
            store_u16x8(y[row] + 8 * half, luma_of_row);
            blue[half] += p.channel[BLUE];
            red[half] += p.channel[RED];
            luma[half] += luma_of_row;
        }
    }
    i32x8 luma_of_four = sums_of_pairs(luma[0], luma[1]);
    store_u16x8(cb, chroma_of_four(sums_of_pairs(blue[0], blue[1]), luma_of_four, TO_CB));
    store_u16x8(cr, chroma_of_four(sums_of_pairs(red[0], red[1]), luma_of_four, TO_CR));
}

int64_t rk_planes_split_420(const uint16_t *bgr, int64_t height, int64_t width, uint16_t *y,
                            uint16_t *cb, uint16_t *cr) {
    for (i64 i = 0; i + 1 < height; i += 2, cb += width / 2, cr += width / 2) {
        const u16 *pixels[2] = {bgr + 3 * i * width, bgr + 3 * (i + 1) * width};
        u16 *luma[2] = {y + i * width, y + (i + 1) * width};
        i64 j = 0;
        for (; j + 16 <= width; j += 16) {
            const u16 *from[2] = {pixels[0] + 3 * j, pixels[1] + 3 * j};
            u16 *to[2] = {luma[0] + j, luma[1] + j};
            split_420(from, to, cb + j / 2, cr + j / 2);
        }
        if (j < width) {
            u16 in[2][48] = {{0}}, out[2][16], chroma[2][8];
            const u16 *from[2] = {in[0], in[1]};
            u16 *to[2] = {out[0], out[1]};
            for (int row = 0; row < 2; row++) COPY(in[row], pixels[row] + 3 * j, 6 * (width - j));
            split_420(from, to, chroma[0], chroma[1]);
            for (int row = 0; row < 2; row++) COPY(luma[row] + j, out[row], 2 * (width - j));
            COPY(cb + j / 2, chroma[0], width - j);
            COPY(cr + j / 2, chroma[1], width - j);
        }
    }
    return RK_OK;
}

INLINE Pixels8 merged(i32x8 luma, i32x8 blue, i32x8 red) {
    i32x8 green = (CB_TO_G * blue + CR_TO_G * red + HALF) >> SHIFT;
    return (Pixels8){{clamp_to(luma + ((CB_TO_B * blue + HALF) >> SHIFT), MAX_U16),
                      clamp_to(luma - green, MAX_U16),
                      clamp_to(luma + ((CR_TO_R * red + HALF) >> SHIFT), MAX_U16)}};
}

/* Sixteen pixels of one row. */
INLINE void merge_420(const u16 *y, const u16 *cb, const u16 *cr, u16 *bgr) {
    i32x8 blue = load_u16x8(cb) - MIDDLE_U16, red = load_u16x8(cr) - MIDDLE_U16;
    i32x8 blue_left = __builtin_shufflevector(blue, blue, 0, 0, 1, 1, 2, 2, 3, 3);
    i32x8 blue_right = __builtin_shufflevector(blue, blue, 4, 4, 5, 5, 6, 6, 7, 7);
    i32x8 red_left = __builtin_shufflevector(red, red, 0, 0, 1, 1, 2, 2, 3, 3);
    i32x8 red_right = __builtin_shufflevector(red, red, 4, 4, 5, 5, 6, 6, 7, 7);
    store_pixels_u16(bgr, merged(load_u16x8(y), blue_left, red_left));
    store_pixels_u16(bgr + 24, merged(load_u16x8(y + 8), blue_right, red_right));
}

int64_t rk_planes_merge_420(const uint16_t *y, const uint16_t *cb, const uint16_t *cr,
                            int64_t height, int64_t width, uint16_t *bgr) {
    i64 chroma_width = (width + 1) / 2;
    for (i64 i = 0; i < height; i++, y += width, bgr += 3 * width) {
        const u16 *cb_row = cb + i / 2 * chroma_width, *cr_row = cr + i / 2 * chroma_width;
        i64 j = 0;
        for (; j + 16 <= width; j += 16)
            merge_420(y + j, cb_row + j / 2, cr_row + j / 2, bgr + 3 * j);
        if (j < width) {
            u16 in[16] = {0}, chroma[2][8] = {{0}}, out[48];
            COPY(in, y + j, 2 * (width - j));
            COPY(chroma[0], cb_row + j / 2, 2 * (chroma_width - j / 2));
            COPY(chroma[1], cr_row + j / 2, 2 * (chroma_width - j / 2));
            merge_420(in, chroma[0], chroma[1], out);
            COPY(bgr + 3 * j, out, 6 * (width - j));
        }
    }
    return RK_OK;
}

/* 4:4:4: planes of 8-bit pictures have FINE_BITS more ------------------------------------------ */

INLINE i32 fine_bits(const int bytes) { return bytes == 1 ? FINE_BITS : 0; }

INLINE i32x8 chroma_of_one(i32x8 colour, i32x8 luma, i32 factor, const int bytes) {
    const i32 fine = fine_bits(bytes), most = bytes == 1 ? FINE_MAX : MAX_U16;
    i32x8 difference = (colour << SHIFT) - luma; /* of 32 bits; times the factor, of 47 */
    i32x8 high = factor * (difference >> SHIFT);
    i32x8 low = factor * (difference & ((1 << SHIFT) - 1));
    i32x8 chroma = (high + (low >> SHIFT) + (HALF >> fine)) >> (SHIFT - fine);
    return clamp_to(chroma + (most + 1) / 2, most);
}

INLINE void split_444(const void *bgr, u16 *y, u16 *cb, u16 *cr, const int bytes) {
    const i32 fine = fine_bits(bytes);
    Pixels8 p = load_pixels(bgr, bytes);
    i32x8 luma = weighted_luma(p);
    store_u16x8(y, (luma + (HALF >> fine)) >> (SHIFT - fine));
    store_u16x8(cb, chroma_of_one(p.channel[BLUE], luma, TO_CB, bytes));
    store_u16x8(cr, chroma_of_one(p.channel[RED], luma, TO_CR, bytes));
}

INLINE void merge_444(const u16 *y, const u16 *cb, const u16 *cr, void *bgr, const int bytes) {
    const i32 fine = fine_bits(bytes), half = HALF << fine;
    const i32 middle = bytes == 1 ? (FINE_MAX + 1) / 2 : MIDDLE_U16;
    i32x8 luma = load_u16x8(y), blue = load_u16x8(cb) - middle, red = load_u16x8(cr) - middle;
    i32x8 b = luma + ((half + CB_TO_B * blue) >> SHIFT);
    i32x8 g = luma + ((half - CB_TO_G * blue - CR_TO_G * red) >> SHIFT);
    i32x8 r = luma + ((half + CR_TO_R * red) >> SHIFT);
    Pixels8 p = {{clamp_to(b >> fine, PEAK(bytes)), clamp_to(g >> fine, PEAK(bytes)),
                  clamp_to(r >> fine, PEAK(bytes))}};
    store_pixels(bgr, p, bytes);
}

INLINE void split_all_444(const u8 *bgr, i64 pixels, u16 *y, u16 *cb, u16 *cr, const int bytes) {
    const i64 step = COLOURS * bytes;
    i64 i = 0;
    for (; i + 8 <= pixels; i += 8) split_444(bgr + step * i, y + i, cb + i, cr + i, bytes);
    if (i < pixels) {
        u16 in[24] = {0}, out[3][8];
        COPY(in, bgr + step * i, step * (pixels - i));
        split_444(in, out[0], out[1], out[2], bytes);
        COPY(y + i, out[0], 2 * (pixels - i));
        COPY(cb + i, out[1], 2 * (pixels - i));
        COPY(cr + i, out[2], 2 * (pixels - i));
    }
}

INLINE void merge_all_444(const u16 *y, const u16 *cb, const u16 *cr, i64 pixels, u8 *bgr,
                          const int bytes) {
    const i64 step = COLOURS * bytes;
    i64 i = 0;
    for (; i + 8 <= pixels; i += 8) merge_444(y + i, cb + i, cr + i, bgr + step * i, bytes);
    if (i < pixels) {
        u16 in[3][8] = {{0}}, out[24];
        COPY(in[0], y + i, 2 * (pixels - i));
        COPY(in[1], cb + i, 2 * (pixels - i));
        COPY(in[2], cr + i, 2 * (pixels - i));
        merge_444(in[0], in[1], in[2], out, bytes);
        COPY(bgr + step * i, out, step * (pixels - i));
    }
}

int64_t rk_planes_split_444_u8(const uint8_t *bgr, int64_t pixels, uint16_t *y, uint16_t *cb,
                               uint16_t *cr) {
    split_all_444(bgr, pixels, y, cb, cr, 1);
    return RK_OK;
}

int64_t rk_planes_split_444_u16(const uint16_t *bgr, int64_t pixels, uint16_t *y, uint16_t *cb,
                                uint16_t *cr) {
    split_all_444((const u8 *)bgr, pixels, y, cb, cr, 2);
    return RK_OK;
}

int64_t rk_planes_merge_444_u8(const uint16_t *y, const uint16_t *cb, const uint16_t *cr,
                               int64_t pixels, uint8_t *bgr) {
    merge_all_444(y, cb, cr, pixels, bgr, 1);
    return RK_OK;
}

int64_t rk_planes_merge_444_u16(const uint16_t *y, const uint16_t *cb, const uint16_t *cr,
                                int64_t pixels, uint16_t *bgr) {
    merge_all_444(y, cb, cr, pixels, (u8 *)bgr, 2);
    return RK_OK;
}
