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
    RK_ERROR_STREAM = -1,    /* the stream is damaged, or not what it must be */
    RK_ERROR_SPACE = -2,     /* the output does not fit into the buffer of the caller */
    RK_ERROR_CODEC = -3,     /* the core has no decoder of whole packets of this codec */
    RK_ERROR_LIMIT = -4,     /* decoding would take longer than any picture is worth */
    RK_ERROR_REFERENCE = -5, /* the picture that this one is predicted from is not held */
    RK_ERROR_CHECKSUM = -6,  /* the picture was rebuilt, and is not the one that was coded */
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

/* Write `values`, or read them where the coder decodes: one bit with the model `contexts[i]`, or where
 * that is below zero -contexts[i] bits without a model. For the tests of the coder by itself. */
RK_API int64_t rk_range_code(int64_t *state, uint8_t *data, const int64_t *contexts,
                             int64_t *values, int64_t count);

/* Cost in bits of coding `bit` now with the model `context`; for tests too. */
RK_API int64_t rk_range_cost(const int64_t *state, int64_t context, int64_t bit, float *bits);

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
 * always suffice. Returns the index of the first word. `states` are those that a decoder begins
 * with: on entry behind these values (32768 twice behind the last one of a stream), on return
 * before them. */
RK_API int64_t rk_rans_encode(const int32_t *values, const uint8_t *classes, int64_t size,
                              const int64_t *parameters, const uint16_t *frequencies,
                              uint16_t *words, int64_t capacity, int64_t *states);

/* Tables of a decoder: lookup[64][4096] is the symbol of each slot, entries[64][64] what it
 * does. */
RK_API int64_t rk_rans_build_decoder(const int64_t *parameters, const uint16_t *frequencies,
                                     uint8_t *lookup, uint32_t *entries);

/* planes.c ------------------------------------------------------------------------------------ */
/* Chroma of 8-bit BGR pixels in limited range; luma and what comes back are OpenCV's. */
RK_API int64_t rk_planes_limited_chroma(const uint8_t *bgr, int64_t pixels, uint8_t *cb,
                                        uint8_t *cr);

/* Both of them, exactly as OpenCV and the above make them of means of 2 x 2 pixels, into planes with
 * rows of `y_stride` and `chroma_stride` samples. */
RK_API int64_t rk_planes_split_limited_420(const uint8_t *bgr, int64_t height, int64_t width,
                                           uint16_t *y, uint16_t *cb, uint16_t *cr,
                                           int64_t y_stride, int64_t chroma_stride);

/* sums[2]: squared error of the pixels that such planes give, and squares of `bgr`. */
RK_API int64_t rk_planes_limited_420_squares(const uint8_t *bgr, int64_t height, int64_t width,
                                             const uint16_t *y, const uint16_t *cb,
                                             const uint16_t *cr, int64_t y_stride,
                                             int64_t chroma_stride, int64_t *sums);

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

/* 8-bit samples in limited range with chroma of half the size, as OpenCV's I420 to BGR. */
RK_API int64_t rk_planes_merge_limited_420_u8(const uint8_t *y, const uint8_t *cb,
                                              const uint8_t *cr, int64_t height, int64_t width,
                                              uint8_t *bgr);
RK_API int64_t rk_planes_merge_limited_420_u16(const uint16_t *y, const uint16_t *cb,
                                               const uint16_t *cr, int64_t height, int64_t width,
                                               uint8_t *bgr);

/* screen.c ------------------------------------------------------------------------------------- */
/* The same to the opaque RGBA of a screen, from padded planes: each stride is a multiple of 8 samples,
 * of which at most 255 is the largest. */
RK_API int64_t rk_screen_limited_420(const uint16_t *y, const uint16_t *cb, const uint16_t *cr,
                                     int64_t height, int64_t width, int64_t y_stride,
                                     int64_t chroma_stride, uint8_t *rgba);

/* `count` pixels of BGR, 8 bits each, to RGBA and back. They may be the last bytes of `rgba`. */
RK_API int64_t rk_screen_from_bgr(const uint8_t *bgr, int64_t count, uint8_t *rgba);
RK_API int64_t rk_screen_to_bgr(const uint8_t *rgba, int64_t count, uint8_t *bgr);

/* packed_samples.c ---------------------------------------------------------------------------- */
/* Samples of 10, 12 or 14 bits, least significant bits first and without gaps, as in the formats of
 * PFNC that end in p (Mono12p). RK_ERROR_SPACE if `packed` has too few bytes. */
RK_API int64_t rk_unpack_lsb_first(const uint8_t *packed, int64_t packed_bytes, int64_t bits,
                                   int64_t samples, uint16_t *unpacked);

/* Samples of 10 or 12 bits, two in three bytes, as in the formats of GigE Vision that end in Packed
 * (Mono12Packed): of an odd number, the last sample has two bytes. */
RK_API int64_t rk_unpack_gige(const uint8_t *packed, int64_t packed_bytes, int64_t bits,
                              int64_t samples, uint16_t *unpacked);

/* svd_patch/ ---------------------------------------------------------------------------------- */
/* A slice of one plane, and what it is coded from and into. Units are 8 x 8 samples. */
struct rk_slice {
    int64_t *coder; /* registers and models of the range coder, started */
    uint8_t *data;  /* of the stream */
    const uint16_t *source;    /* encoder: the plane */
    const uint16_t *reference; /* what the plane is predicted from; NULL in a key frame */
    uint16_t *rebuilt;         /* whatever it holds before */
    int16_t *units;            /* [units_y][units_x][6]: what was coded where; zeros before */
    const int16_t *guide;      /* units of the first plane; NULL in that plane */
    const int32_t *left;       /* [3][32][32]: L of patches of 8, 16 and 32 */
    const int32_t *right_t;    /* [3][4][32][8]: R^T in tiles of eight columns */
    const float *left_t_real;  /* encoder: [3][32][32], L^T */
    const float *right_real;   /* encoder: [3][4][32][8], R in tiles */
    uint8_t *scratch;          /* rk_svd_patch_scratch_bytes(), for this slice alone */
    int64_t units_y;
    int64_t units_x;
    int64_t guide_units_y;
    int64_t guide_units_x;
    int64_t guide_shift;    /* the first plane has 2^n times the units each way */
    int64_t top;            /* first row of units of the slice */
    int64_t bottom;         /* and the one behind the last */
    int64_t largest;        /* full scale of the samples */
    int64_t deep;           /* not zero: samples of 16 bits, with a transform of higher precision */
    int64_t chroma;         /* not zero: models of chroma, else those of luma */
    int64_t step;           /* of the quantiser, in sixteenths of a level */
    int64_t filter;         /* of edges in the loop: index 0 to 51, 0 for none */
    int64_t filter_shift;   /* its strength is that of samples of 8 bits times 2^n, n up to 8 */
    int64_t rank;           /* encoder: rows and columns of a core of 8 that may be coded */
    double bit_price;       /* encoder: squared steps that a bit is worth */
    double bit_difference;  /* encoder: levels of absolute difference that a bit is worth */
    int64_t effort;         /* encoder: 0 fast, 1 usual, 2 best */
    int64_t moved[2];       /* encoder: displacement to search from; where the search ended */
};

/* Models of a range coder for slices, filled as a key frame begins, and for factor matrices. */
RK_API int64_t rk_svd_patch_models(void);
RK_API void rk_svd_patch_begin_models(int64_t *models);
RK_API int64_t rk_svd_patch_basis_models(void);
RK_API int64_t rk_svd_patch_scratch_bytes(void);

/* Write a slice of a plane behind those before; RK_ERROR_SPACE if the buffer is too small. */
RK_API int64_t rk_svd_patch_encode_plane(struct rk_slice *slice);

/* Read and rebuild a slice of a plane; RK_ERROR_STREAM if the stream ends early. */
RK_API int64_t rk_svd_patch_decode_plane(struct rk_slice *slice);

/* Code whether a plane has factors of its own, and these: [2][8][8], L and R, as differences to one
 * `table` of [8][8]. A decoder fills `factors` from the table on. Returns whether there are any. */
RK_API int64_t rk_svd_patch_code_basis(int64_t *state, uint8_t *data, int64_t own,
                                       const int32_t *table, int32_t *factors, int64_t largest);

/* Go on with the 32-bit checksum `value` over the samples of a plane. */
RK_API int64_t rk_svd_patch_checksum(const uint16_t *samples, int64_t count, int64_t value);

/* Sum of squared differences, and sum of squares. */
RK_API int64_t rk_svd_patch_squared_error(const uint16_t *a, const uint16_t *b, int64_t count);
RK_API int64_t rk_svd_patch_energy(const uint16_t *samples, int64_t count);

/* Add what coding the units of a plane was worth to the work of its bands of `band_rows`. */
RK_API int64_t rk_svd_patch_add_work(const int16_t *units, int64_t units_y, int64_t units_x,
                                     int64_t band_rows, int64_t *work);

/* lossless/ ----------------------------------------------------------------------------------- */
/* Bands of pixels (H, W, C). The transforms are 0, none, and 1, YCoCg-R of three channels;
 * `repeats` is 1 where equality with a neighbour is coded first. `memory` has as many bytes as one
 * of these says, rounded up. */
RK_API int64_t rk_lossless_encoder_bytes(int64_t width, int64_t channels);
RK_API int64_t rk_lossless_decoder_bytes(int64_t width, int64_t channels);

/* Returns the length of the stream, or RK_ERROR_SPACE: 5 bytes a sample and 4096 suffice. */
RK_API int64_t rk_lossless_encode_u8(const uint8_t *pixels, int64_t height, int64_t width,
                                     int64_t channels, int64_t transform, int64_t repeats,
                                     int64_t *memory, uint8_t *data, int64_t capacity);
RK_API int64_t rk_lossless_encode_u16(const uint16_t *pixels, int64_t height, int64_t width,
                                      int64_t channels, int64_t transform, int64_t repeats,
                                      int64_t *memory, uint8_t *data, int64_t capacity);

/* Decode data[start..end); RK_ERROR_STREAM if it is not exactly one band. */
RK_API int64_t rk_lossless_decode_u8(const uint8_t *data, int64_t start, int64_t end,
                                     int64_t height, int64_t width, int64_t channels,
                                     int64_t transform, int64_t repeats, int64_t *memory,
                                     uint8_t *pixels);
RK_API int64_t rk_lossless_decode_u16(const uint8_t *data, int64_t start, int64_t end,
                                      int64_t height, int64_t width, int64_t channels,
                                      int64_t transform, int64_t repeats, int64_t *memory,
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

/* Decode the columns from `first` to the one before `last` of a matrix; RK_ERROR_STREAM if the words in
 * data[start..end) are not exactly theirs. A matrix may come in several calls, columns rising from
 * 0: `states` and `scratch` go from one to the next. Behind the last column of a whole stream both
 * states are 32768. */
RK_API int64_t rk_svd_decode(const uint8_t *data, int64_t start, int64_t end, int64_t *states,
                             const int64_t *parameters, const uint8_t *lookup,
                             const uint32_t *entries, int64_t first, int64_t last, int64_t length,
                             int32_t *scratch, int32_t *values);

/* Decode all bands of a matrix in one call. Their words lie one after the other; ends[bands][2] are the
 * columns and the bytes up to the end of each, rising to what there is. */
RK_API int64_t rk_svd_decode_bands(const uint8_t *data, const int64_t *ends, int64_t bands,
                                   int64_t *states, const int64_t *parameters,
                                   const uint8_t *lookup, const uint32_t *entries, int64_t length,
                                   int32_t *scratch, int32_t *values);

/* Turn coefficients back: out[k] is the inverse cosine transform of values[k] scales[k], in blocks of
 * 64 and one order of summation. */
RK_API int64_t rk_svd_inverse_transform_f32(const int32_t *values, const double *scales,
                                            int64_t columns, int64_t length, float *out);
RK_API int64_t rk_svd_inverse_transform_f64(const int32_t *values, const double *scales,
                                            int64_t columns, int64_t length, double *out);

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
/* Centroids to search, `count` of `channels` samples. `order`, `axes` and `cuts` are those of
 * rk_kmeans_build_tree; without them each point is compared with all centroids. */
struct rk_kmeans_centroids {
    int64_t count;
    int64_t channels;
    const float *planes; /* (channels, count + 8): in the order of the tree, then eight zeros */
    const uint16_t *order;
    const uint8_t *axes;
    const float *cuts;
};

/* Sort centroids (count, channels) into a tree: centroids[order] is sorted, axes[i] and cuts[i] are
 * those of the cut whose upper side begins at i. `scratch` holds 2 * count numbers. */
RK_API int64_t rk_kmeans_build_tree(const float *centroids, int64_t count, int64_t channels,
                                    uint16_t *order, uint8_t *axes, float *cuts, uint64_t *scratch);

/* Write the index of the nearest centroid of each point (count, channels), and the squared distance
 * to it. */
RK_API int64_t rk_kmeans_nearest_u8(const uint8_t *points, int64_t count,
                                    const struct rk_kmeans_centroids *centroids,
                                    uint16_t *nearest, float *distances);
RK_API int64_t rk_kmeans_nearest_u16(const uint16_t *points, int64_t count,
                                     const struct rk_kmeans_centroids *centroids,
                                     uint16_t *nearest, float *distances);
RK_API int64_t rk_kmeans_nearest_f32(const float *points, int64_t count,
                                     const struct rk_kmeans_centroids *centroids,
                                     uint16_t *nearest, float *distances);

/* For each centre, write the squared distances of all points to it, or those of `before` where they
 * are smaller: after is (centre_count, count). */
RK_API int64_t rk_kmeans_approach(const float *points, int64_t count, int64_t channels,
                                  const float *centres, int64_t centre_count, const float *before,
                                  float *after);

/* Add points times their weights, and the weights in the last column, to the rows of their
 * clusters: sums is (clusters, channels + 1). */
RK_API int64_t rk_kmeans_accumulate(const float *points, const float *weights,
                                    const uint16_t *labels, int64_t count, int64_t channels,
                                    double *sums);

/* Find the first `most` distinct colours of (count, channels); returns how many there are. Writes
 * their places and adds up how often each is met, until the last one is found. `slots` is a table
 * of a power of two, more than `most`, filled with -1. */
RK_API int64_t rk_kmeans_distinct_u8(const uint8_t *colours, int64_t count, int64_t channels,
                                     int64_t *slots, int64_t slot_count, int64_t *places,
                                     int64_t *counts, int64_t most);
RK_API int64_t rk_kmeans_distinct_u16(const uint16_t *colours, int64_t count, int64_t channels,
                                      int64_t *slots, int64_t slot_count, int64_t *places,
                                      int64_t *counts, int64_t most);

/* Sum of squared distances of colours (count, channels) to the palette colours of their labels. */
RK_API int64_t rk_kmeans_squared_error(const uint16_t *colours, const uint16_t *labels,
                                       const int64_t *palette, int64_t count, int64_t channels);

/* Code a palette (colours, channels); returns the bytes, or RK_ERROR_SPACE. */
RK_API int64_t rk_kmeans_pack_palette(const int64_t *palette, int64_t colours, int64_t channels,
                                      uint8_t *data, int64_t capacity_bytes);

/* Read a palette, clamped to 0..peak; RK_ERROR_STREAM if the bytes are not exactly one. */
RK_API int64_t rk_kmeans_unpack_palette(const uint8_t *data, int64_t size_bytes, int64_t colours,
                                        int64_t channels, int64_t peak, int64_t *palette);

/* Code a band of indices below `colours`; returns the bytes, or RK_ERROR_SPACE. */
RK_API int64_t rk_kmeans_pack_plane(const uint16_t *plane, int64_t height, int64_t width,
                                    int64_t colours, uint8_t *data, int64_t capacity_bytes);

/* Read a band of indices, all below `colours`; RK_ERROR_STREAM if the bytes are not exactly one. */
RK_API int64_t rk_kmeans_unpack_plane(const uint8_t *data, int64_t size_bytes, int64_t colours,
                                      uint16_t *plane, int64_t height, int64_t width);

/* pca/ ---------------------------------------------------------------------------------------- */
/* Code the statistics of all planes, one after another: a row of means, a row of deviations, each
 * of the plane's width. Returns the bytes, or RK_ERROR_SPACE. */
RK_API int64_t rk_pca_pack_statistics(const int64_t *values, const int64_t *widths, int64_t planes,
                                      uint8_t *data, int64_t capacity_bytes);

/* Read such statistics, clamped to 0..most; RK_ERROR_STREAM if the bytes are not exactly these. */
RK_API int64_t rk_pca_unpack_statistics(const uint8_t *data, int64_t size_bytes,
                                        const int64_t *widths, int64_t planes, int64_t most,
                                        int64_t *values);

/* Code scores in whole steps, each with the models of its class, 0 to 15; returns the bytes, or
 * RK_ERROR_SPACE. */
RK_API int64_t rk_pca_pack_scores(const int64_t *values, const uint8_t *classes, int64_t count,
                                  uint8_t *data, int64_t capacity_bytes);

/* Read such scores, below 2^40; RK_ERROR_STREAM if the bytes are not exactly these. */
RK_API int64_t rk_pca_unpack_scores(const uint8_t *data, int64_t size_bytes,
                                    const uint8_t *classes, int64_t count, int64_t *values);

/* gan/ ---------------------------------------------------------------------------------------- */
/* Choose the levels of a code (rows, columns, channels), all zero before, by rate and distortion,
 * and write them with the models of `state`, which adapt. `values` are finite; `price` is what a
 * bit costs, in squared steps; table (channels, 3) says plane, band and the channel of Y at the
 * same frequency; `coded` (rows, columns) is scratch memory. Returns the bytes, or
 * RK_ERROR_SPACE. */
RK_API int64_t rk_gan_encode(int64_t *state, uint8_t *data, int64_t capacity_bytes,
                             const float *values, int32_t *levels, uint16_t *coded, int64_t rows,
                             int64_t columns, const int64_t *table, int64_t channels, float price);

/* Read the levels of a code, all zero before; RK_ERROR_STREAM if the bytes are not exactly one. */
RK_API int64_t rk_gan_decode(int64_t *state, const uint8_t *data, int64_t size_bytes,
                             int32_t *levels, uint16_t *coded, int64_t rows, int64_t columns,
                             const int64_t *table, int64_t channels);

/* packet/ ------------------------------------------------------------------------------------- */
/* Kinds of packets, as on the wire. */
enum rk_kind { RK_KIND_KEY = 0, RK_KIND_PREDICTED = 1, RK_KIND_REFERENCE = 4 };

/* What the complete header of a picture says of its body, in numbers alone. Who parses the header
 * refuses params that are no integers, and references of other codecs than svd-patch, and begins a new
 * stream with memory of its own. */
struct rk_packet {
    int64_t codec;        /* id: 0 raw, 1 svd, 3 svd-patch, 4 lossless */
    int64_t kind;         /* see rk_kind */
    int64_t sequence;
    int64_t ref_sequence; /* of a predicted frame */
    int64_t checksum;     /* below zero: the header states none */
    int64_t height;
    int64_t width;
    int64_t channels;     /* 1 where the shape has two sides only */
    int64_t sample_bytes;
    int64_t param_count;
    int64_t params[64];
    int64_t rank_count;
    int64_t ranks[64];
};

/* Bytes of memory that decoding this packet takes, or what its header is refused for. */
RK_API int64_t rk_packet_memory_bytes(const struct rk_packet *packet);

/* Decode a body to `pixels` (H, W, C), which are aligned like their type. `memory` is all zero before
 * the first packet of a stream and codec and goes from packet to packet: it holds the reference. What
 * suffices for one packet does for all of its codec, geometry and ranks. Whatever is returned, pixels of
 * this call may be written; a reference survives every error but a predicted frame's
 * RK_ERROR_CHECKSUM, and those of a key frame or reference packet of another geometry. */
RK_API int64_t rk_packet_decode(const struct rk_packet *packet, const uint8_t *body,
                                int64_t body_bytes, uint8_t *memory, int64_t memory_bytes,
                                uint8_t *pixels);

/* The same to the opaque RGBA of a screen, (H, W, 4), of pictures of BGR with 8 bits alone. */
RK_API int64_t rk_packet_decode_rgba(const struct rk_packet *packet, const uint8_t *body,
                                     int64_t body_bytes, uint8_t *memory, int64_t memory_bytes,
                                     uint8_t *rgba);

/* denoise.c ----------------------------------------------------------------------------------- */
/* Add a frame to the `means` of its blocks of 8 x 8, and replace it by them if `is_written`. When a
 * block changes by more than noise of variances[8 sqrt(brightness / full_range)], its mean starts
 * again. `ages` counts the frames of each mean, 0 before the first. `measures` [blocks][3] receives
 * the brightness, and the variance of noise by change and by texture. */
RK_API int64_t rk_denoise(uint16_t *samples, float *means, uint8_t *ages, int64_t block_rows,
                          int64_t block_columns, const float *variances, double full_range,
                          int64_t is_written, float *measures);

/* synthetic.c --------------------------------------------------------------------------------- */
/* Blend a sprite over a scene whose full scale is 65535; what lies beyond its edges is cut off.
 * `colour` is premultiplied by the opacity `cover` of 0 to 256. Columns are samples, channels side
 * by side, and `cover` has one for each. */
RK_API int64_t rk_synthetic_paste(uint16_t *scene, int64_t rows, int64_t columns,
                                  const uint16_t *colour, const uint16_t *cover,
                                  int64_t sprite_rows, int64_t sprite_columns, int64_t top,
                                  int64_t left);

/* Light a scene, add noise and quantise, as lens and sensor do, to 8 bits or to 16 - shift. Gains
 * have 14 fractional bits; the noise of a row begins at its offset. */
RK_API int64_t rk_synthetic_expose_u8(const uint16_t *scene, int64_t rows, int64_t columns,
                                      const int32_t *row_gains, const int32_t *column_gains,
                                      const int16_t *noise, const int64_t *offsets,
                                      uint8_t *pixels);
RK_API int64_t rk_synthetic_expose_u16(const uint16_t *scene, int64_t rows, int64_t columns,
                                       const int32_t *row_gains, const int32_t *column_gains,
                                       const int16_t *noise, const int64_t *offsets, int64_t shift,
                                       uint16_t *pixels);

#endif
