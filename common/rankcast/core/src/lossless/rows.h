/* Rows of a plane while it is coded, with what stands for neighbours beyond the edge.
 *
 * A plane needs no more of itself than three rows of samples and two of errors: they stay in the
 * cache, and a band of any height takes the same memory.
 */
#ifndef RK_LOSSLESS_ROWS_H
#define RK_LOSSLESS_ROWS_H

#include "../lanes.h"

enum {
    PREDICTORS = 4,
    /* Numbers before and behind a row: neighbours, and lanes of the last vector of a row. */
    BEFORE = LANES,
    BEHIND = 2 * LANES,
    SAMPLE_ROWS = 3,
    ERROR_ROWS = 2 * (PREDICTORS + 1),
    KINDS = 3, /* of planes; the third one and all that follow it share what is learnt */
};

/* Pointers are to the first column. A writer has the errors of the predictors one after another,
 * `padded` numbers apart, because it makes eight columns at once; a reader has those of a column
 * side by side. */
typedef struct {
    i32 *here, *above, *twice_above;
    i32 *errors_here, *errors_above;
    i32 *misses_here, *misses_above; /* absolute errors of the guesses */
    i64 width, padded;
    i64 kind;
} Plane;

/* Even, so that 64-bit numbers can follow. */
INLINE i64 padded_width(i64 width) { return BEFORE + ((width + 1) & ~1ll) + BEHIND; }
INLINE i64 plane_numbers(i64 width) { return (SAMPLE_ROWS + ERROR_ROWS) * padded_width(width); }

/* Rows above the first one are zero. */
static Plane start_plane(i32 *memory, i64 width, i64 index) {
    i64 padded = padded_width(width);
    CLEAR(memory, plane_numbers(width) * (i64)sizeof(i32));
    i32 *first = memory + BEFORE;
    i32 *errors = memory + SAMPLE_ROWS * padded + BEFORE;
    return (Plane){
        .here = first,
        .above = first + padded,
        .twice_above = first + 2 * padded,
        .errors_here = errors,
        .errors_above = errors + PREDICTORS * padded,
        .misses_here = errors + 2 * PREDICTORS * padded,
        .misses_above = errors + (2 * PREDICTORS + 1) * padded,
        .width = width,
        .padded = padded,
        .kind = min_i64(index, KINDS - 1),
    };
}

/* Where the error of predictor k at column j lies. */
INLINE i64 error_place(const Plane *plane, const int decoding, i64 k, i64 j) {
    return decoding ? PREDICTORS * j + k : k * plane->padded + j;
}

/* Left of a row lies, while it is coded, the first sample of the row above. */
INLINE void open_row(Plane *plane, const int decoding) {
    plane->here[-1] = plane->here[-2] = plane->above[0];
    plane->misses_here[-1] = plane->misses_here[-2] = plane->misses_above[0];
    for (i64 k = 0; k < PREDICTORS; k++)
        plane->errors_here[error_place(plane, decoding, k, -1)] =
            plane->errors_above[error_place(plane, decoding, k, 0)];
}

/* Beside a row above lie its own first and last samples. */
INLINE void close_row(Plane *plane, const int decoding) {
    i64 width = plane->width;
    i32 *samples = plane->here, *errors = plane->errors_here, *misses = plane->misses_here;
    samples[-1] = samples[0];
    samples[width] = samples[width - 1];
    misses[-1] = misses[0];
    misses[width] = misses[width + 1] = misses[width - 1];
    for (i64 k = 0; k < PREDICTORS; k++) {
        errors[error_place(plane, decoding, k, -1)] = errors[error_place(plane, decoding, k, 0)];
        errors[error_place(plane, decoding, k, width)] =
            errors[error_place(plane, decoding, k, width - 1)];
    }
    plane->here = plane->twice_above;
    plane->twice_above = plane->above;
    plane->above = samples;
    plane->errors_here = plane->errors_above;
    plane->errors_above = errors;
    plane->misses_here = plane->misses_above;
    plane->misses_above = misses;
}

#endif
