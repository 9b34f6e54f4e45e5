/* Prediction of a sample from its neighbours, for a reader that finds them one by one and for a
 * writer that knows them all and makes eight at once. Both calculate the same in every bit: integers,
 * and floats in a fixed order.
 */
#ifndef RK_LOSSLESS_PREDICTION_H
#define RK_LOSSLESS_PREDICTION_H

#include "rows.h"

enum {
    ENERGIES = 40, /* classes of the error to expect */
    TEXTURES = 8,
    CELLS = ENERGIES * TEXTURES,
};

typedef i32 i32x4 __attribute__((vector_size(16)));
typedef f32 f32x4 __attribute__((vector_size(16)));
typedef i32 i32x4_any __attribute__((vector_size(16), aligned(4), may_alias));

/* Added to a float below 2^22, it leaves the nearest integer in the lowest bits. */
#define ROUNDING 0x1.8p23f
#define ROUNDING_BITS 0x4B400000

typedef struct {
    i32 w, n, nw, ne, nn, ww;
} Neighbours;

typedef struct {
    i32x8 w, n, nw, ne, nn, ww;
} Neighbours8;

/* Two classes an octave of `local`, five and a half times the error to expect: the exponent of a float and the
 * highest bit of its fraction count them. */
INLINE i32 energy_of(i32 local) {
    union {
        f32 number;
        i32 bits;
    } as = {.number = (f32)local};
    return clamp_i32((as.bits >> 22) - 253, 0, ENERGIES - 1);
}

INLINE i32x8 energies_of(i32x8 local) {
    i32x8 class = ((i32x8)to_f32x8(local) >> 22) - 253;
    return clamp_i32x8(class, splat_i32x8(0), splat_i32x8(ENERGIES - 1));
}

/* One sample ----------------------------------------------------------------------------------- */

INLINE Neighbours neighbours_of(const Plane *plane, i64 j) {
    return (Neighbours){
        .w = plane->here[j - 1],
        .n = plane->above[j],
        .nw = plane->above[j - 1],
        .ne = plane->above[j + 1],
        .nn = plane->twice_above[j],
        .ww = plane->here[j - 2],
    };
}

/* What the four predictors add to the sample above. */
INLINE i32x4 differences_of(Neighbours at) {
    i32 slope = (at.ne - at.nw) >> 1;
    i32 mean = at.w + at.ne + at.nw - 3 * at.n, wide = mean + at.w + at.ww + at.nn - 3 * at.n;
    return (i32x4){(at.n - at.nn) >> 1, at.w - at.n + slope, (wide + 4) >> 3, (mean + 2) >> 2};
}

INLINE i32x4 errors_at(const i32 *errors, i64 j) { return *(const i32x4_any *)(errors + 4 * j); }

INLINE i32x4 errors_above(const Plane *plane, i64 j) {
    const i32 *above = plane->errors_above;
    return errors_at(above, j - 1) + errors_at(above, j) + errors_at(above, j + 1);
}

/* The errors here, and a share of those above: what is far away counts ever less. */
INLINE i32x4 errors_of(i32x4 differences, i32 difference, i32x4 above) {
    i32x4 error = difference - differences, sign = error >> 31;
    return (error ^ sign) - sign + (above >> 2);
}

/* The mean of the predictions, each weighted by the inverse fourth power of its errors near here. */
INLINE i32 guess_of(Neighbours at, i32x4 differences, i32x4 near) {
    f32x4 error = __builtin_convertvector(near + 2, f32x4), square = error * error;
    f32x4 weight = 1 / (square * square);
    f32x4 term = weight * __builtin_convertvector(differences, f32x4);
    f32 mean = ((term[0] + term[1]) + (term[2] + term[3]))
        / ((weight[0] + weight[1]) + (weight[2] + weight[3]));
    union {
        f32 number;
        i32 bits;
    } rounded = {.number = mean + ROUNDING};
    i32 low = min_i32(min_i32(at.w, at.n), at.ne), high = max_i32(max_i32(at.w, at.n), at.ne);
    i32 margin = (high - low) >> 2;
    return clamp_i32(at.n + rounded.bits - ROUNDING_BITS, low - margin, high + margin);
}

/* `w` and `ww` are the absolute errors of the guesses to the left. */
INLINE i32 local_of(const i32 *above, i64 j, i32 w, i32 ww) {
    i32 nearest = w + above[j], beside = above[j - 1] + above[j + 1], beyond = ww + above[j + 2];
    return (6 * nearest + 3 * beside + 2 * beyond) >> 2;
}

INLINE i32 texture_of(Neighbours at, i32 guess) {
    return (at.n > guess) + 2 * (at.w > guess) + 4 * (at.nn > at.n);
}

/* A row ---------------------------------------------------------------------------------------- */

INLINE Neighbours8 eight_neighbours(const Plane *plane, i64 j) {
    return (Neighbours8){
        .w = load_i32x8(plane->here + j - 1),
        .n = load_i32x8(plane->above + j),
        .nw = load_i32x8(plane->above + j - 1),
        .ne = load_i32x8(plane->above + j + 1),
        .nn = load_i32x8(plane->twice_above + j),
        .ww = load_i32x8(plane->here + j - 2),
    };
}

typedef struct {
    i32x8 of[PREDICTORS];
} Predictions8;

INLINE Predictions8 eight_differences(Neighbours8 at) {
    i32x8 slope = (at.ne - at.nw) >> 1;
    i32x8 mean = at.w + at.ne + at.nw - 3 * at.n, wide = mean + at.w + at.ww + at.nn - 3 * at.n;
    return (Predictions8){
        {(at.n - at.nn) >> 1, at.w - at.n + slope, (wide + 4) >> 3, (mean + 2) >> 2},
    };
}

INLINE i32x8 eight_errors_above(const Plane *plane, i64 j, i64 k) {
    const i32 *above = plane->errors_above + k * plane->padded + j;
    return load_i32x8(above - 1) + load_i32x8(above) + load_i32x8(above + 1);
}

INLINE f32x8 eight_weights(const Plane *plane, i64 j, i64 k) {
    const i32 *left = plane->errors_here + k * plane->padded + j - 1;
    f32x8 error = to_f32x8(eight_errors_above(plane, j, k) + load_i32x8(left) + 2);
    f32x8 square = error * error;
    return 1 / (square * square);
}

INLINE i32x8 eight_guesses(const Plane *plane, i64 j, Neighbours8 at) {
    Predictions8 differences = eight_differences(at);
    f32x8 weights[PREDICTORS], terms[PREDICTORS];
    for (int k = 0; k < PREDICTORS; k++) weights[k] = eight_weights(plane, j, k);
    for (int k = 0; k < PREDICTORS; k++) terms[k] = weights[k] * to_f32x8(differences.of[k]);
    f32x8 mean = ((terms[0] + terms[1]) + (terms[2] + terms[3]))
        / ((weights[0] + weights[1]) + (weights[2] + weights[3]));
    i32x8 low = min_i32x8(min_i32x8(at.w, at.n), at.ne);
    i32x8 high = max_i32x8(max_i32x8(at.w, at.n), at.ne), margin = (high - low) >> 2;
    i32x8 guess = at.n + (i32x8)(mean + ROUNDING) - ROUNDING_BITS;
    return clamp_i32x8(guess, low - margin, high + margin);
}

/* Guesses of a row whose samples are known, and the cell of each: its energy and its texture. Each
 * pass reads what the one before it has written one column to the left. */
static void guess_row(const Plane *plane, i32 *guesses, u16 *cells) {
    i64 width = plane->width;
    for (i64 j = 0; j < width; j += LANES) {
        Neighbours8 at = eight_neighbours(plane, j);
        Predictions8 differences = eight_differences(at);
        i32x8 difference = load_i32x8(plane->here + j) - at.n;
        for (int k = 0; k < PREDICTORS; k++)
            store_i32x8(plane->errors_here + k * plane->padded + j,
                        abs_i32x8(difference - differences.of[k])
                            + (eight_errors_above(plane, j, k) >> 2));
    }
    for (i64 j = 0; j < width; j += LANES) {
        i32x8 guess = eight_guesses(plane, j, eight_neighbours(plane, j));
        store_i32x8(guesses + j, guess);
        store_i32x8(plane->misses_here + j, abs_i32x8(load_i32x8(plane->here + j) - guess));
    }
    const i32 *here = plane->misses_here, *above = plane->misses_above;
    for (i64 j = 0; j < width; j += LANES) {
        i32x8 beside = load_i32x8(above + j - 1) + load_i32x8(above + j + 1);
        i32x8 nearest = load_i32x8(here + j - 1) + load_i32x8(above + j);
        i32x8 beyond = load_i32x8(here + j - 2) + load_i32x8(above + j + 2);
        i32x8 local = (6 * nearest + 3 * beside + 2 * beyond) >> 2;
        i32x8 energy = energies_of(local), guess = load_i32x8(guesses + j);
        Neighbours8 at = eight_neighbours(plane, j);
        i32x8 texture = ((at.n > guess) & 1) + ((at.w > guess) & 2) + ((at.nn > at.n) & 4);
        store_u16x8(cells + j, TEXTURES * energy + texture);
    }
}

#endif
