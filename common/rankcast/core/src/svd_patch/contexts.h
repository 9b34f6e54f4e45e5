/* Where the adaptive models of every syntax element lie in the state of the range coder. */
#ifndef RK_SVD_PATCH_CONTEXTS_H
#define RK_SVD_PATCH_CONTEXTS_H

#include "slice.h"

enum {
    PLANES = 2, /* first plane (and all that are like it), chroma */
    GROUPS = 4, /* statistics of coefficients: [plane][intra, inter] */
    NEAR = 3,   /* how many of the left and the upper neighbour have what the flag asks for */
    GUIDES = 3, /* the first plane: there is none, it has it, it has it not */
    POSITION_CLASSES = 6,
    LEVEL_POSITION_CLASSES = 3,
    MAGNITUDE_CLASSES = 16,
    LEVEL_BINS = 14, /* of a level in unary, with a model each; later ones share the last */
    LAST_BINS = 8,
    LAST_AXES = 9,    /* rows; columns by the group of the row */
    VECTOR_BINS = 12, /* of the width of a component in unary */
    VECTOR_MODELS = 16,
    MODE_BITS = 6,
    MODE_LEAVES = 1 << MODE_BITS,
};

/* First index of each; the comment has the dimensions, last one fastest. */
enum {
    /* [plane][size][near][guide] */
    AT_SKIP = REGISTERS,
    /* [plane][index] */
    AT_CANDIDATE = AT_SKIP + PLANES * SIZES * NEAR * GUIDES,
    /* [plane][size 16 or 32][near][guide][key or predicted] */
    AT_SPLIT = AT_CANDIDATE + PLANES * MAX_CANDIDATES,
    /* [plane][near][guide][size] */
    AT_INTRA = AT_SPLIT + PLANES * (SIZES - 1) * NEAR * GUIDES * 2,
    /* [plane][size] */
    AT_MERGED = AT_INTRA + PLANES * NEAR * GUIDES * SIZES,
    /* [axis][zero, sign, width] */
    AT_VECTOR = AT_MERGED + PLANES * SIZES,
    /* [plane][size] */
    AT_SMOOTH = AT_VECTOR + 2 * VECTOR_MODELS,
    /* [plane][guide, left, above] */
    AT_MODE_SAME = AT_SMOOTH + PLANES * SIZES,
    /* [plane][size][node] */
    AT_MODE_TREE = AT_MODE_SAME + PLANES * 3,
    /* [group][size][near][guide] */
    AT_CODED = AT_MODE_TREE + PLANES * SIZES * MODE_LEAVES,
    /* [group][size][axis][bin] */
    AT_LAST = AT_CODED + GROUPS * SIZES * NEAR * GUIDES,
    /* [group][size][position][magnitude] */
    AT_SIGNIFICANT = AT_LAST + GROUPS * SIZES * LAST_AXES * LAST_BINS,
    /* [group][position][magnitude][bin] */
    AT_LEVEL = AT_SIGNIFICANT + GROUPS * SIZES * POSITION_CLASSES * MAGNITUDE_CLASSES,
    AT_END = AT_LEVEL + GROUPS * LEVEL_POSITION_CLASSES * MAGNITUDE_CLASSES * LEVEL_BINS,
};

#endif
