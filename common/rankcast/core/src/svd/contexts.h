/* Contexts of the coded factors of svd.
 *
 * A matrix of K columns of length L lies as (K, L). Every column is cut into blocks of 64 cosine
 * coefficients, the last one shorter. The context of a coefficient is a weighted sum of magnitudes
 * that are coded before it: of the two coefficients below it in its block, the same ones of the
 * block before, and those of the two columns before. Its logarithm is the class.
 */
#ifndef RK_SVD_CONTEXTS_H
#define RK_SVD_CONTEXTS_H

#include "../lanes.h"
#include "../rans.h"

enum {
    BLOCK = 64,
    SIDE = 2,                    /* border at both sides of a block */
    BLOCK_ROW = BLOCK + 2 * SIDE,
    CAP = 1 << 26,               /* of magnitudes: sums of 14 of them stay within 32 bits */
    EXACT_CLASSES = 8,           /* contexts below it have a class each, then four an octave */
    SMALL_BITS = 12,
    SMALL = 1 << SMALL_BITS,     /* contexts from here on have one class an octave */
    FIRST_LARGE = EXACT_CLASSES + 4 * (SMALL_BITS - 3),
};

/* Magnitudes of this column and of the two before it, a row a block. Rows of zeros above and below
 * and the borders are the neighbours that do not exist. */
typedef struct {
    i32 *one, *two, *now; /* one column before, two columns before, this one */
    i64 blocks;
} Columns;

static void next_column(Columns *c) {
    i32 *two = c->two;
    c->two = c->one;
    c->one = c->now;
    c->now = two;
}

/* Begin with a column; `scratch` holds those before it, and anything before column 0. */
static Columns start_columns(i32 *scratch, i64 length, i64 first) {
    i64 blocks = (length + BLOCK - 1) / BLOCK, size = (blocks + 2) * BLOCK_ROW;
    if (first == 0) CLEAR(scratch, 3 * size * sizeof(i32));
    Columns c = {scratch, scratch + size, scratch + 2 * size, blocks};
    for (i64 k = 0; k < first % 3; k++) next_column(&c);
    return c;
}

/* Where the magnitudes of a block begin in a column. */
INLINE i64 block_at(i64 block) { return (block + 1) * BLOCK_ROW + SIDE; }

/* The part of the contexts of a block that does not depend on the block itself. */
static void sums_before(const Columns *c, i64 block, i32 sums[BLOCK]) {
    const i32 *one = c->one + block_at(block), *two = c->two + block_at(block);
    const i32 *next_of_one = c->one + block_at(block + 1), *before = c->now + block_at(block - 1);
    for (int f = 0; f < BLOCK; f += 8) {
        i32x8 twice = load_i32x8(one + f) + load_i32x8(two + f) + load_i32x8(before + f);
        i32x8 once = load_i32x8(next_of_one + f) + load_i32x8(one + f - 1) + load_i32x8(one + f + 1)
            + load_i32x8(before + f - 1) + load_i32x8(before + f + 1);
        store_i32x8(sums + f, 2 * twice + once);
    }
}

#endif
