/* Eight numbers of a matrix of f32 or f64, and eight samples of one channel of pixels.
 *
 * Widths in bytes are constants where the functions are called, as in pixels.h.
 */
#ifndef RK_SVD_ARRAYS_H
#define RK_SVD_ARRAYS_H

#include "../pixels.h"

INLINE f64 real_at(const void *reals, i64 i, const int bytes) {
    return bytes == 4 ? ((const f32 *)reals)[i] : ((const f64 *)reals)[i];
}

INLINE f64x8 load_reals(const void *reals, i64 i, const int bytes) {
    if (bytes == 8) return load_f64x8((const f64 *)reals + i);
    return __builtin_convertvector(load_f32x8((const f32 *)reals + i), f64x8);
}

/* Clip and round half to even: numbers as large as `whole` have no fraction. */
INLINE i32x8 rounded_f32(f32x8 a, i32 peak) {
    const f32 whole = 0x1.8p23f;
    f32x8 most = (f32x8){0} + (f32)peak;
    a = select_f32x8(a > 0.0f, a, (f32x8){0});
    a = select_f32x8(a < most, a, most);
    return __builtin_convertvector((a + whole) - whole, i32x8);
}

INLINE i32x8 rounded_f64(f64x8 a, i32 peak) {
    const f64 whole = 0x1.8p52;
    f64x8 most = (f64x8){0} + (f64)peak;
    a = select_f64x8(a > 0.0, a, (f64x8){0});
    a = select_f64x8(a < most, a, most);
    return __builtin_convertvector((a + whole) - whole, i32x8);
}

/* One channel of interleaved pixels. */
typedef struct {
    const void *pixels;
    i64 channels, channel;
} Channel;

/* The channel of the pixels i to i + 7. */
INLINE i32x8 load_channel(const Channel *from, i64 i, const int bytes) {
    if (from->channels == 1) return load_samples(from->pixels, i, bytes);
    if (from->channels == COLOURS) {
        Pixels8 p = load_pixels((const u8 *)from->pixels + COLOURS * bytes * i, bytes);
        i32x8 blue_or_green = from->channel == BLUE ? p.channel[BLUE] : p.channel[GREEN];
        return from->channel == RED ? p.channel[RED] : blue_or_green;
    }
    i32x8 loaded;
    for (int lane = 0; lane < 8; lane++) {
        i64 at = (i + lane) * from->channels + from->channel;
        loaded[lane] = sample_at(from->pixels, at, bytes);
    }
    return loaded;
}

INLINE i32 channel_at(const Channel *from, i64 i, const int bytes) {
    return sample_at(from->pixels, i * from->channels + from->channel, bytes);
}

#endif
