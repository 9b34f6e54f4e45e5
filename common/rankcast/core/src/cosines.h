/* The orthonormal DCT-II: entry (n, k) of side N is sqrt(2 / N) cos(pi (2 n + 1) k / (2 N)), and
 * sqrt(1 / N) for k = 0.
 *
 * Made of additions, products, divisions and one square root, which IEEE 754 rounds alike everywhere;
 * no two libraries promise the same cosine.
 */
#ifndef RK_COSINES_H
#define RK_COSINES_H

#include "base.h"

enum { LARGEST_SIDE = 64 };

/* cos(pi t / (2 N)) for t = 0 to N; all others are these with a sign. */
typedef struct {
    i64 side;
    f64 norm, norm_of_mean; /* sqrt(2 / N), sqrt(1 / N) */
    f64 of[LARGEST_SIDE + 1];
} QuarterWave;

/* Taylor series from the highest power down. Below pi / 4 the next term is less than 2^-58. */
static f64 cosine_near_zero(f64 x) {
    const f64 y = x * x;
    f64 sum = 0;
    for (int n = 16; n > 0; n -= 2) sum = (1.0 - sum) * y / (n * (n - 1));
    return 1.0 - sum;
}

static f64 sine_near_zero(f64 x) {
    const f64 y = x * x;
    f64 sum = 0;
    for (int n = 17; n > 1; n -= 2) sum = (1.0 - sum) * y / (n * (n - 1));
    return x - x * sum;
}

static void fill_quarter_wave(QuarterWave *wave, i64 side) {
    const f64 half_pi = 1.57079632679489661923;
    wave->side = side;
    wave->norm = __builtin_sqrt(2.0 / (f64)side);
    wave->norm_of_mean = __builtin_sqrt(1.0 / (f64)side);
    for (i64 t = 0; t <= side; t++) {
        i64 rest = side - t;
        wave->of[t] = t <= rest ? cosine_near_zero(half_pi * (f64)t / (f64)side)
                                : sine_near_zero(half_pi * (f64)rest / (f64)side);
    }
}

INLINE f64 cosine_entry(const QuarterWave *wave, i64 n, i64 k) {
    if (k == 0) return wave->norm_of_mean;
    i64 turn = 4 * wave->side, t = (2 * n + 1) * k % turn;
    t = min_i64(t, turn - t);
    f64 cosine = 2 * t <= turn / 2 ? wave->of[t] : -wave->of[turn / 2 - t];
    return wave->norm * cosine;
}

#endif
