/* The product that rebuilds a plane: a[i][j] = sum over k of us[i][k] vt[k][j].
 *
 * Every sum runs from k = 0 upwards with a rounding after each product and each addition, so that
 * all processors get the same samples; a BLAS chooses its order, and fuses additions, by the
 * processor.
 */
#include "arrays.h"

enum {
    TILE_ROWS = 4,   /* whose sums stay in registers, together 256 bytes */
    BLOCK_ROWS = 32, /* that use a panel of vt while the level-1 cache has it */
    SLICE = 128,     /* rows of vt in a panel: 8 kB */
};

/* Part of a plane. */
typedef struct {
    i64 top, left, rows, columns;
} Area;

/* Planes whose factors lie one after the other. */
typedef struct {
    const i64 *ranks;
    i64 channels, height, width;
} Planes;

#define REAL f32
#define EIGHT f32x8
#define OF(name) name##_f32
#include "product_of.h"
#undef REAL
#undef EIGHT
#undef OF

#define REAL f64
#define EIGHT f64x8
#define OF(name) name##_f64
#include "product_of.h"
#undef REAL
#undef EIGHT
#undef OF

int64_t rk_svd_product_f32(const float *us, const float *vt, int64_t rows, int64_t rank,
                           int64_t columns, float *out) {
    multiply_f32(us, vt, rows, rank, columns, out);
    return RK_OK;
}

int64_t rk_svd_product_f64(const double *us, const double *vt, int64_t rows, int64_t rank,
                           int64_t columns, double *out) {
    multiply_f64(us, vt, rows, rank, columns, out);
    return RK_OK;
}

int64_t rk_svd_rebuild_f32_u8(const float *us, const float *vt, const int64_t *ranks,
                              int64_t channels, int64_t height, int64_t width, int64_t first,
                              int64_t last, uint8_t *pixels) {
    rebuild_f32(us, vt, (Planes){ranks, channels, height, width}, first, last, pixels, 1);
    return RK_OK;
}

int64_t rk_svd_rebuild_f64_u8(const double *us, const double *vt, const int64_t *ranks,
                              int64_t channels, int64_t height, int64_t width, int64_t first,
                              int64_t last, uint8_t *pixels) {
    rebuild_f64(us, vt, (Planes){ranks, channels, height, width}, first, last, pixels, 1);
    return RK_OK;
}

int64_t rk_svd_rebuild_f64_u16(const double *us, const double *vt, const int64_t *ranks,
                               int64_t channels, int64_t height, int64_t width, int64_t first,
                               int64_t last, uint16_t *pixels) {
    rebuild_f64(us, vt, (Planes){ranks, channels, height, width}, first, last, pixels, 2);
    return RK_OK;
}
