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

/* svd_patch/ ---------------------------------------------------------------------------------- */

/* A slice of one plane, and what it is coded from and into. Units are 8 x 8 samples. */
struct rk_slice {
    int64_t *coder; /* registers and models of the range coder, started */
    uint8_t *data;  /* of the stream */
    const uint16_t *source;    /* encoder: the plane */
    const uint16_t *reference; /* what the plane is predicted from; NULL in a key frame */
    uint16_t *rebuilt;         /* rows of the slice: the same as the reference before */
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
    int64_t rank;           /* encoder: rows and columns of a core of 8 that may be coded */
    double bit_price;       /* encoder: squared steps that a bit is worth */
    double bit_difference;  /* encoder: levels of absolute difference that a bit is worth */
    int64_t moved[2];       /* encoder: displacement to search from; where the search ended */
};

/* Models of a range coder for slices. */
RK_API int64_t rk_svd_patch_models(void);

RK_API int64_t rk_svd_patch_scratch_bytes(void);

/* Write a slice of a plane behind those before; RK_ERROR_SPACE if the buffer is too small. */
RK_API int64_t rk_svd_patch_encode_plane(struct rk_slice *slice);

/* Read and rebuild a slice of a plane; RK_ERROR_STREAM if the stream ends early. */
RK_API int64_t rk_svd_patch_decode_plane(struct rk_slice *slice);

/* Models of a range coder for factor matrices. */
RK_API int64_t rk_svd_patch_basis_models(void);

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

/* lossless.c ---------------------------------------------------------------------------------- */

/* svd/ ---------------------------------------------------------------------------------------- */

/* kmeans/ ------------------------------------------------------------------------------------- */

/* pca/ ---------------------------------------------------------------------------------------- */

/* gan/ ---------------------------------------------------------------------------------------- */

/* synthetic.c --------------------------------------------------------------------------------- */

#endif
