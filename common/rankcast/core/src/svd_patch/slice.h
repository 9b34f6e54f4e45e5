/* A slice of one plane while it is coded: its parameters, the maps of what was coded where, the
 * decision about the patch at hand, and scratch memory. Both ends use it.
 *
 * A plane is an array of samples of 16 bits, whole units of 8 x 8 samples each way. Positions in
 * units are called uy and ux, positions in samples y and x.
 */
#ifndef RK_SVD_PATCH_SLICE_H
#define RK_SVD_PATCH_SLICE_H

#include "../lanes.h"
#include "../range_coder.h"

enum {
    UNIT = 8,        /* side of the smallest patch */
    CELL = 32,       /* side of the largest patch */
    CODED_SIDE = 16, /* patches of 32 code their 16 x 16 lowest frequencies only */
    CELL_UNITS = CELL / UNIT,
    TILES = CELL / 8, /* groups of eight columns: one vector a row */
    STRIDE = CODED_SIDE + 2, /* row of levels: two zeros serve the templates of context classes */
    LEVELS = STRIDE * STRIDE,
    /* Where the first position lies in `near`: room for what is left of and above it. */
    BEFORE = 2 * STRIDE + 2,
    /* Index of the corner in an edge: the left side runs down from it, the top side up. */
    CORNER = 2 * CELL,
    EDGE = 2 * CORNER + 8,
    STEP_ONE = 16, /* a step of one level of the plane; steps travel in sixteenths */
    MAX_STEP = 1 << 20,
    MAX_VECTOR = 1023, /* largest component of a displacement, in quarter samples */
    MAX_CANDIDATES = 4,
    WINDOW = CELL + 8, /* a patch, and what filters of eight taps read around it */
};

enum { SIZE_8, SIZE_16, SIZE_32, SIZES };

/* How a patch is coded; SPLIT is a decision only, and marks units that are not coded yet. */
enum { SPLIT, SKIPPED, INTER, INTRA };

/* One entry of the maps; units.py has those that Python reads. */
typedef struct {
    i16 kind, size, vector_y, vector_x;
    i16 mode; /* of intra; of all others, whether the prediction is smoothed */
    i16 coded;
} Unit;

typedef struct {
    i16 y, x;   /* in quarter samples */
    i32 smooth; /* whether what lies there is smoothed */
} Vector;

INLINE Vector new_vector(i32 y, i32 x, i32 smooth) { return (Vector){(i16)y, (i16)x, smooth}; }
INLINE Vector sharp_vector(i32 y, i32 x) { return new_vector(y, x, 0); }

/* What an encoder has chosen for a patch. */
typedef struct {
    i32 kind;
    i32 index; /* of the candidate that is its vector; below zero where none is */
    Vector vector;
    i32 mode;
    i32 coded; /* whether its core has levels */
} Decision;

typedef u16 Block[CELL][CELL]; /* samples */

typedef struct {
    RangeCoder coder;
    const u16 *reference; /* NULL in a key frame */
    u16 *rebuilt;
    Unit *units;
    const Unit *guide; /* map of the first plane; NULL in that plane */
    const i32 *left, *right_t;
    i32 height, width;   /* in samples */
    i32 units_x;         /* in units */
    i32 top, bottom;     /* of the slice: nothing above or below may be used */
    i32 guide_units_y, guide_units_x, guide_shift;
    i32 largest;         /* full scale */
    i32 step;            /* in sixteenths of a level */
    i32 filter, filter_shift; /* index of the loop filter, zero for none; its scale */
    int deep;            /* 16-bit samples: a transform of higher precision */
    int chroma;          /* planes that share the statistics of chroma */

    Decision decision;
    Vector candidates[MAX_CANDIDATES];
    i32 candidate_count;
    u16 (*prediction)[CELL];
    i32 *levels;         /* of the patch at hand; all zero in between */
    i32 rows, columns;   /* of the core, that hold its levels */

    _Alignas(64) Block blocks[4];
    /* Core M and L M of the inverse transform; element (i, j) of M lies at [j / 8][i][j % 8]. */
    _Alignas(64) i32 core[CODED_SIDE / 8][CODED_SIDE][8];
    i32 half[CELL][CODED_SIDE];
    /* The same for products of 16 bits: a core of two rows side by side, L, two rows of R^T side by
     * side, and the largest sum of a column of the core. */
    i16x16 core_pairs[CODED_SIDE / 8][CODED_SIDE / 2];
    i16 left_pairs[SIZES][CELL][CODED_SIDE];
    i16x16 right_pairs[SIZES][CELL / 8][CODED_SIDE / 2];
    i32 pair_limits[SIZES];
    i32 level_lines[2][LEVELS];
    i32 near[BEFORE + LEVELS]; /* sums of levels by template; all zero in between */
    i32 edge[EDGE], line[EDGE];
    /* Between the passes of a filter: sums, or two rows of them side by side in 16 bits. */
    _Alignas(64) union {
        i32 filtered[WINDOW][CELL];
        i16x16 filtered_pairs[WINDOW];
    };
    u16 window[WINDOW][WINDOW + 8];
} Slice;

INLINE const Unit *unit_at(const Slice *s, i32 uy, i32 ux) {
    return s->units + (i64)uy * s->units_x + ux;
}
INLINE i64 sample_index(const Slice *s, i32 y, i32 x) { return (i64)y * s->width + x; }

#endif
