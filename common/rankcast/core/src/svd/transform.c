/* The inverse cosine transform of coded factors.
 *
 * A sample is the sum over rising frequency of coefficient times cosine, from 0 on, with a rounding
 * after each product and each addition: every processor gets the same factors.
 */
#include "../cosines.h"
#include "../lanes.h"

_Static_assert(BLOCK <= LARGEST_SIDE, "a quarter wave holds every block");

#define REAL f32
#define EIGHT f32x8
#define OF(name) name##_f32
#include "transform_of.h"
#undef REAL
#undef EIGHT
#undef OF

#define REAL f64
#define EIGHT f64x8
#define OF(name) name##_f64
#include "transform_of.h"
#undef REAL
#undef EIGHT
#undef OF

int64_t rk_svd_inverse_transform_f32(const int32_t *values, const double *scales, int64_t columns,
                                     int64_t length, float *out) {
    turn_back_f32(values, scales, columns, length, out);
    return RK_OK;
}

int64_t rk_svd_inverse_transform_f64(const int32_t *values, const double *scales, int64_t columns,
                                     int64_t length, double *out) {
    turn_back_f64(values, scales, columns, length, out);
    return RK_OK;
}
