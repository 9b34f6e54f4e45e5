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

/* kmeans/ ------------------------------------------------------------------------------------- */

/* pca/ ---------------------------------------------------------------------------------------- */

/* gan/ ---------------------------------------------------------------------------------------- */

/* synthetic.c --------------------------------------------------------------------------------- */

#endif
