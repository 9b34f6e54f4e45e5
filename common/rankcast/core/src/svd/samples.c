/* Samples to matrices and back, and how far apart they are. */
#include "arrays.h"

/* Copy a channel to reals; return the sum of its squares. */
INLINE i64 load_plane(Channel from, i64 count, void *out, const int bytes, const int real_bytes) {
    i64x8 squares = {0};
    i64 i = 0, rest = 0;
    for (; i + 8 <= count; i += 8) {
        i32x8 samples = load_channel(&from, i, bytes);
        /* Squares of 16 bits fill 32, without a sign. */
        squares += __builtin_convertvector((u32x8)samples * (u32x8)samples, i64x8);
        if (real_bytes == 4)
            store_f32x8((f32 *)out + i, __builtin_convertvector(samples, f32x8));
        else
            store_f64x8((f64 *)out + i, __builtin_convertvector(samples, f64x8));
    }
    for (; i < count; i++) {
        i64 sample = channel_at(&from, i, bytes);
        rest += sample * sample;
        if (real_bytes == 4)
            ((f32 *)out)[i] = (f32)sample;
        else
            ((f64 *)out)[i] = (f64)sample;
    }
    return sum_i64x8(squares) + rest;
}

int64_t rk_svd_load_u8_f32(const uint8_t *pixels, int64_t count, int64_t channels, int64_t channel,
                           float *out) {
    return load_plane((Channel){pixels, channels, channel}, count, out, 1, 4);
}

int64_t rk_svd_load_u8_f64(const uint8_t *pixels, int64_t count, int64_t channels, int64_t channel,
                           double *out) {
    return load_plane((Channel){pixels, channels, channel}, count, out, 1, 8);
}

int64_t rk_svd_load_u16_f64(const uint16_t *pixels, int64_t count, int64_t channels,
                            int64_t channel, double *out) {
    return load_plane((Channel){pixels, channels, channel}, count, out, 2, 8);
}

/* Largest distance between a channel and a matrix. */
INLINE f64 farthest(Channel from, i64 count, const void *a, const int bytes, const int real_bytes) {
    f64x8 most = {0};
    f64 of_rest = 0;
    i64 i = 0;
    for (; i + 8 <= count; i += 8) {
        i32x8 samples = load_channel(&from, i, bytes);
        f64x8 distance = load_reals(a, i, real_bytes) - __builtin_convertvector(samples, f64x8);
        distance = abs_f64x8(distance);
        most = select_f64x8(distance > most, distance, most);
    }
    for (; i < count; i++) {
        f64 distance = real_at(a, i, real_bytes) - channel_at(&from, i, bytes);
        distance = __builtin_fabs(distance);
        if (distance > of_rest) of_rest = distance;
    }
    for (int lane = 0; lane < 8; lane++)
        if (most[lane] > of_rest) of_rest = most[lane];
    return of_rest;
}

double rk_svd_farthest_u8_f32(const uint8_t *pixels, int64_t count, int64_t channels,
                              int64_t channel, const float *a) {
    return farthest((Channel){pixels, channels, channel}, count, a, 1, 4);
}

double rk_svd_farthest_u8_f64(const uint8_t *pixels, int64_t count, int64_t channels,
                              int64_t channel, const double *a) {
    return farthest((Channel){pixels, channels, channel}, count, a, 1, 8);
}

double rk_svd_farthest_u16_f64(const uint16_t *pixels, int64_t count, int64_t channels,
                               int64_t channel, const double *a) {
    return farthest((Channel){pixels, channels, channel}, count, a, 2, 8);
}

INLINE i64 squared_distance(const void *a, const void *b, i64 count, const int bytes) {
    i64x8 squares = {0};
    i64 i = 0, rest = 0;
    for (; i + 8 <= count; i += 8) {
        u32x8 difference = (u32x8)(load_samples(a, i, bytes) - load_samples(b, i, bytes));
        squares += __builtin_convertvector(difference * difference, i64x8);
    }
    for (; i < count; i++) {
        i64 difference = sample_at(a, i, bytes) - sample_at(b, i, bytes);
        rest += difference * difference;
    }
    return sum_i64x8(squares) + rest;
}

int64_t rk_svd_squared_distance_u8(const uint8_t *a, const uint8_t *b, int64_t count) {
    return squared_distance(a, b, count, 1);
}

int64_t rk_svd_squared_distance_u16(const uint16_t *a, const uint16_t *b, int64_t count) {
    return squared_distance(a, b, count, 2);
}

/* Round, clip and store into a channel. Double precision holds the numbers of either type. */
INLINE void store_plane(const void *a, i64 count, void *pixels, i64 channels, i64 channel,
                        const int real_bytes, const int bytes) {
    for (i64 i = 0; i < count; i += 8) {
        i64 width = min_i64(8, count - i);
        f64x8 reals = {0};
        if (width == 8)
            reals = load_reals(a, i, real_bytes);
        else
            for (int lane = 0; lane < width; lane++) reals[lane] = real_at(a, i + lane, real_bytes);
        i32x8 samples = rounded_f64(reals, PEAK(bytes));
        for (int lane = 0; lane < width; lane++)
            set_sample(pixels, (i + lane) * channels + channel, samples[lane], bytes);
    }
}

int64_t rk_svd_store_f32_u8(const float *a, int64_t count, uint8_t *pixels, int64_t channels,
                            int64_t channel) {
    store_plane(a, count, pixels, channels, channel, 4, 1);
    return RK_OK;
}

int64_t rk_svd_store_f64_u8(const double *a, int64_t count, uint8_t *pixels, int64_t channels,
                            int64_t channel) {
    store_plane(a, count, pixels, channels, channel, 8, 1);
    return RK_OK;
}

int64_t rk_svd_store_f64_u16(const double *a, int64_t count, uint16_t *pixels, int64_t channels,
                             int64_t channel) {
    store_plane(a, count, pixels, channels, channel, 8, 2);
    return RK_OK;
}
