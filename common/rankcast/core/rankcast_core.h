/* The native core of Rankcast: every kernel that a codec runs per sample.
 *
 * The core uses no libc, allocates nothing and writes no global: every array comes from the caller
 * and is C-contiguous. It returns the same bytes at every SIMD level and on every platform.
 *
 * Python reads this header too (rankcast/core/header.py) and derives the types of arguments and
 * structs from it. So a prototype ends with a semicolon, starts at the beginning of a line and uses
 * only: int64_t, int32_t, double, float, pointers to numbers, and pointers to structs declared here.
 * A pointer to const is an input; any other pointer is written.
 */
#ifndef RANKCAST_CORE_H
#define RANKCAST_CORE_H

#include <stdint.h>

#if defined(_WIN32)
#define RK_API __attribute__((dllexport))
#else
#define RK_API __attribute__((visibility("default")))
#endif

/* Results below zero are errors; what a stream can cause is always one of them, never a trap. */
enum {
    RK_OK = 0,
    RK_ERROR_STREAM = -1, /* the stream is damaged, or not what it must be */
    RK_ERROR_SPACE = -2,  /* the output does not fit into the buffer of the caller */
};

/* level.c ------------------------------------------------------------------------------------- */

/* Highest x86-64 level of this processor, 1 to 4; 2 on other architectures. */
RK_API int64_t rk_level(void);

/* range_coder.c ------------------------------------------------------------------------------- */

/* Begin a stream into a buffer of `capacity_bytes`; the models stay as they are. */
RK_API int64_t rk_range_start_encoder(int64_t *state, int64_t capacity_bytes);

/* Begin to read data[start..end); the models stay as they are. */
RK_API int64_t rk_range_start_decoder(int64_t *state, const uint8_t *data, int64_t start,
                                      int64_t end);

/* End a stream with as few bytes as name the interval; returns its length, or RK_ERROR_SPACE. Up to
 * seven trailing zero bytes are dropped: the decoder reads zeros behind the end. */
RK_API int64_t rk_range_finish_encoder(int64_t *state, uint8_t *data);

/* rans.c -------------------------------------------------------------------------------------- */

/* Of each of 64 classes, four parameters make a table of 64 symbols; see rans.h. The frequencies
 * are out of 4096; those of classes out of use are 0. RK_ERROR_STREAM if a parameter is out of
 * range. */
RK_API int64_t rk_rans_frequencies(const int64_t *parameters, const uint8_t *used,
                                   uint16_t *frequencies);

/* Add to counts[64][4]: how many values are 0, are +1 or -1, are larger, and the magnitudes'
 * sum. */
RK_API int64_t rk_rans_count(const int32_t *values, const uint8_t *classes, int64_t size,
                             const int64_t *shifts, int64_t *counts);

/* Code values of magnitudes up to 2^30 backwards into the end of `words`, of which 7 a value
 * always suffice. Returns the index of the first word; writes the two states that a decoder
 * begins with. */
RK_API int64_t rk_rans_encode(const int32_t *values, const uint8_t *classes, int64_t size,
                              const int64_t *parameters, const uint16_t *frequencies,
                              uint16_t *words, int64_t capacity, int64_t *states);

/* Tables of a decoder: lookup[64][4096] is the symbol of each slot, entries[64][64] what it
 * does. */
RK_API int64_t rk_rans_build_decoder(const int64_t *parameters, const uint16_t *frequencies,
                                     uint8_t *lookup, uint32_t *entries);

/* numbers.c ----------------------------------------------------------------------------------- */

/* planes.c ------------------------------------------------------------------------------------ */

/* Chroma of 8-bit BGR pixels in limited range; luma and what comes back are OpenCV's. */
RK_API int64_t rk_planes_limited_chroma(const uint8_t *bgr, int64_t pixels, uint8_t *cb,
                                        uint8_t *cr);

/* Full range, with chroma of half the size: those of the mean of 2 x 2 pixels. Splitting wants even
 * sides; of odd ones merging takes (side + 1) / 2 samples of chroma. */
RK_API int64_t rk_planes_split_420(const uint16_t *bgr, int64_t height, int64_t width, uint16_t *y,
                                   uint16_t *cb, uint16_t *cr);
RK_API int64_t rk_planes_merge_420(const uint16_t *y, const uint16_t *cb, const uint16_t *cr,
                                   int64_t height, int64_t width, uint16_t *bgr);

/* Full range and size; planes of 8-bit pictures are in quarter levels, 0 to 1023. */
RK_API int64_t rk_planes_split_444_u8(const uint8_t *bgr, int64_t pixels, uint16_t *y,
                                      uint16_t *cb, uint16_t *cr);
RK_API int64_t rk_planes_split_444_u16(const uint16_t *bgr, int64_t pixels, uint16_t *y,
                                       uint16_t *cb, uint16_t *cr);
RK_API int64_t rk_planes_merge_444_u8(const uint16_t *y, const uint16_t *cb, const uint16_t *cr,
                                      int64_t pixels, uint8_t *bgr);
RK_API int64_t rk_planes_merge_444_u16(const uint16_t *y, const uint16_t *cb, const uint16_t *cr,
                                       int64_t pixels, uint16_t *bgr);

/* svd_patch/ ---------------------------------------------------------------------------------- */

/* lossless.c ---------------------------------------------------------------------------------- */

/* Bands of pixels (H, W, C). The transforms are 0, none, and 1, YCoCg-R of three channels;
 * `repeats` is 1 where equality with a neighbour is coded first. `scratch` has C H W + 11 (W + 2)
 * numbers. */

/* Returns the length of the stream, or RK_ERROR_SPACE: 5 bytes a sample and 4096 suffice. */
RK_API int64_t rk_lossless_encode_u8(const uint8_t *pixels, int64_t height, int64_t width,
                                     int64_t channels, int64_t transform, int64_t repeats,
                                     int32_t *scratch, uint8_t *data, int64_t capacity);
RK_API int64_t rk_lossless_encode_u16(const uint16_t *pixels, int64_t height, int64_t width,
                                      int64_t channels, int64_t transform, int64_t repeats,
                                      int32_t *scratch, uint8_t *data, int64_t capacity);

/* Decode data[start..end); RK_ERROR_STREAM if it is not exactly one band. */
RK_API int64_t rk_lossless_decode_u8(const uint8_t *data, int64_t start, int64_t end,
                                     int64_t height, int64_t width, int64_t channels,
                                     int64_t transform, int64_t repeats, int32_t *scratch,
                                     uint8_t *pixels);
RK_API int64_t rk_lossless_decode_u16(const uint8_t *data, int64_t start, int64_t end,
                                      int64_t height, int64_t width, int64_t channels,
                                      int64_t transform, int64_t repeats, int32_t *scratch,
                                      uint16_t *pixels);

/* svd/ ---------------------------------------------------------------------------------------- */

/* Pixels are (H, W, C) with `count` = H W, of which one channel is meant; matrices are (K, L),
 * rows that are columns of the factors. `scratch` of a matrix has 3 * 68 * (ceil(L / 64) + 2)
 * numbers. */

/* Quantise y[k][j] scales[k]; returns the noise in squared steps. */
RK_API double rk_svd_quantise_f32(const float *y, const double *scales, int64_t columns,
                                  int64_t length, int32_t *values);
RK_API double rk_svd_quantise_f64(const double *y, const double *scales, int64_t columns,
                                  int64_t length, int32_t *values);

/* |y[k][j] scales[k]| of every `stride`-th number, row after row. */
RK_API int64_t rk_svd_sample_f32(const float *y, const float *scales, int64_t length,
                                 int64_t stride, float *out, int64_t count);
RK_API int64_t rk_svd_sample_f64(const double *y, const float *scales, int64_t length,
                                 int64_t stride, float *out, int64_t count);

/* Class of every coefficient from its context. */
RK_API int64_t rk_svd_classify(const int32_t *values, int64_t columns, int64_t length,
                               int32_t *scratch, uint8_t *classes);

/* Decode a matrix; RK_ERROR_STREAM if the words in data[start..end) are not exactly one. */
RK_API int64_t rk_svd_decode(const uint8_t *data, int64_t start, int64_t end,
                             const int64_t *states, const int64_t *parameters,
                             const uint8_t *lookup, const uint32_t *entries, int64_t columns,
                             int64_t length, int32_t *scratch, int32_t *values);

/* Copy a channel to a matrix; returns the sum of its squares. */
RK_API int64_t rk_svd_load_u8_f32(const uint8_t *pixels, int64_t count, int64_t channels,
                                  int64_t channel, float *out);
RK_API int64_t rk_svd_load_u8_f64(const uint8_t *pixels, int64_t count, int64_t channels,
                                  int64_t channel, double *out);
RK_API int64_t rk_svd_load_u16_f64(const uint16_t *pixels, int64_t count, int64_t channels,
                                   int64_t channel, double *out);

/* Round half to even, clip, and store into a channel. */
RK_API int64_t rk_svd_store_f32_u8(const float *a, int64_t count, uint8_t *pixels,
                                   int64_t channels, int64_t channel);
RK_API int64_t rk_svd_store_f64_u8(const double *a, int64_t count, uint8_t *pixels,
                                   int64_t channels, int64_t channel);
RK_API int64_t rk_svd_store_f64_u16(const double *a, int64_t count, uint16_t *pixels,
                                    int64_t channels, int64_t channel);

/* Largest distance between a channel and a matrix. */
RK_API double rk_svd_farthest_u8_f32(const uint8_t *pixels, int64_t count, int64_t channels,
                                     int64_t channel, const float *a);
RK_API double rk_svd_farthest_u8_f64(const uint8_t *pixels, int64_t count, int64_t channels,
                                     int64_t channel, const double *a);
RK_API double rk_svd_farthest_u16_f64(const uint16_t *pixels, int64_t count, int64_t channels,
                                      int64_t channel, const double *a);

/* Sum of squared differences of samples. */
RK_API int64_t rk_svd_squared_distance_u8(const uint8_t *a, const uint8_t *b, int64_t count);
RK_API int64_t rk_svd_squared_distance_u16(const uint16_t *a, const uint16_t *b, int64_t count);

/* us[rows][rank] vt[rank][columns], summed in one order everywhere. */
RK_API int64_t rk_svd_product_f32(const float *us, const float *vt, int64_t rows, int64_t rank,
                                  int64_t columns, float *out);
RK_API int64_t rk_svd_product_f64(const double *us, const double *vt, int64_t rows, int64_t rank,
                                  int64_t columns, double *out);

/* The same for all channels of a picture, whose factors lie one after the other; rows first to
 * last - 1 are rounded, clipped and stored. */
RK_API int64_t rk_svd_rebuild_f32_u8(const float *us, const float *vt, const int64_t *ranks,
                                     int64_t channels, int64_t height, int64_t width,
                                     int64_t first, int64_t last, uint8_t *pixels);
RK_API int64_t rk_svd_rebuild_f64_u8(const double *us, const double *vt, const int64_t *ranks,
                                     int64_t channels, int64_t height, int64_t width,
                                     int64_t first, int64_t last, uint8_t *pixels);
RK_API int64_t rk_svd_rebuild_f64_u16(const double *us, const double *vt, const int64_t *ranks,
                                      int64_t channels, int64_t height, int64_t width,
                                      int64_t first, int64_t last, uint16_t *pixels);

/* kmeans/ ------------------------------------------------------------------------------------- */

/* pca/ ---------------------------------------------------------------------------------------- */

/* gan/ ---------------------------------------------------------------------------------------- */

/* synthetic.c --------------------------------------------------------------------------------- */

#endif
