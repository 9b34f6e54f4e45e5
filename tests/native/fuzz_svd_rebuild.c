/* From factors to pixels: the product with its rounding, and pixels from a matrix.
 *
 * Python has checked that a rank is at most the smaller side, that entries of U and V are within 4
 * and that singular values are above 0 and at most peak sqrt(m n) (1 + 1/256). A matrix that is
 * stored, by pca, comes out of floats that nobody bounds: it may be anything.
 */
#include "harness.h"

enum { MOST_SIDE = 70, MOST_CHANNELS = 4, MOST_RANK = 12 };
enum { FLOAT32_8, FLOAT64_8, FLOAT64_16, FORMS };

/* An entry of U, V or of s over its limit, in 1/8192; zeros follow the end. */
static double take_part_of(Input *in) { return (double)take(in, -32768, 32767) / 8192; }

static void *new_factors(Input *in, int64_t count, int wide, double most) {
    double *real = new_block(count * 8);
    float *narrow = new_block(count * 4);
    uint16_t noise = 0;
    for (int64_t i = 0; i < count; i++) {
        fill_noise(&noise, 1, 65535, noise + 1u);
        double part = bytes_left(in) ? take_part_of(in) : (noise - 32768) / 8192.0;
        real[i] = part * most;
        narrow[i] = (float)real[i];
    }
    return wide ? (void *)real : narrow;
}

static void rebuild(Input *in) {
    int64_t form = take(in, 0, FORMS - 1), height = take(in, 1, MOST_SIDE);
    int64_t width = take(in, 1, MOST_SIDE), channels = take(in, 1, MOST_CHANNELS), total = 0;
    int64_t *ranks = new_block(channels * 8), most_rank = height < width ? height : width;
    if (most_rank > MOST_RANK) most_rank = MOST_RANK;
    for (int64_t c = 0; c < channels; c++) total += ranks[c] = take(in, 0, most_rank);
    int64_t first = take(in, 0, height), last = take(in, first, height);
    int64_t peak = form == FLOAT64_16 ? 65535 : 255, wide = form != FLOAT32_8;
    double root = peak * (257.0 / 256);
    for (double side = (double)(height * width), x = 1; x * x <= side; x++) root += peak;
    void *vt = new_factors(in, total * width, (int)wide, 1);
    void *us = new_factors(in, total * height, (int)wide, root);
    int64_t samples = height * width * channels, sample_bytes = form == FLOAT64_16 ? 2 : 1;
    void *pixels = new_zeros(samples * sample_bytes);
    int64_t result = form == FLOAT32_8   ? rk_svd_rebuild_f32_u8(us, vt, ranks, channels, height,
                                                                 width, first, last, pixels)
                     : form == FLOAT64_8 ? rk_svd_rebuild_f64_u8(us, vt, ranks, channels, height,
                                                                 width, first, last, pixels)
                                         : rk_svd_rebuild_f64_u16(us, vt, ranks, channels, height,
                                                                  width, first, last, pixels);
    if (succeeded(result)) observe(pixels, samples * sample_bytes);
}

static void store(Input *in) {
    int64_t form = take(in, 0, FORMS - 1), channels = take(in, 1, MOST_CHANNELS);
    int64_t channel = take(in, 0, channels - 1), real_bytes = form == FLOAT32_8 ? 4 : 8;
    int64_t size = bytes_left(in) / real_bytes * real_bytes, count = size / real_bytes;
    void *reals = take_bytes(in, &size);
    int64_t pixel_bytes = count * channels * (form == FLOAT64_16 ? 2 : 1);
    void *pixels = new_zeros(pixel_bytes);
    int64_t result;
    if (form == FLOAT32_8)
        result = rk_svd_store_f32_u8(reals, count, pixels, channels, channel);
    else if (form == FLOAT64_8)
        result = rk_svd_store_f64_u8(reals, count, pixels, channels, channel);
    else
        result = rk_svd_store_f64_u16(reals, count, pixels, channels, channel);
    if (succeeded(result)) observe(pixels, pixel_bytes);
}

TARGET {
    Input in = {bytes, bytes + size};
    begin_run();
    if (take(&in, 0, 1))
        store(&in);
    else
        rebuild(&in);
    free_blocks();
    return 0;
}
