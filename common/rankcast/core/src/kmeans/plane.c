/* A band of the index plane: is an index that of a neighbour, and if of none, which one is it?
 *
 * The answers to the second question go down the tree of the palette (see tree.c): each says on
 * which side of a cut the colour lies, and what the neighbours would say is the best hint.
 */
#include "../whole_stream.h"

enum {
    PATTERNS = 64,  /* of equal neighbours: six comparisons */
    CANDIDATES = 3, /* west, north and north-east */
    /* Cuts further down say little, and would take too long to learn: one model a level. */
    KNOWN_LEVELS = 6,
    KNOWN_NODES = 1 << KNOWN_LEVELS,
    NODES = KNOWN_NODES + 16, /* 2^16 colours at most, 16 cuts */
    ANSWERS = 3,              /* of a neighbour at a cut: not in this part, below, or above */
    SAME_MODELS = REGISTERS,
    TREE_MODELS = SAME_MODELS + CANDIDATES * PATTERNS,
    PLANE_MODELS = TREE_MODELS + NODES * ANSWERS * ANSWERS - REGISTERS,
};

typedef struct {
    i32 w, n, nw, ne, nn, ww;
} Neighbours;

/* Beyond the edge of the band lies what the nearest known index says. */
INLINE Neighbours neighbours_of(const u16 *row, i64 width, i64 i, i64 j) {
    Neighbours at;
    if (i > 0) {
        const u16 *above = row - width;
        at.n = above[j];
        at.w = j > 0 ? row[j - 1] : at.n;
        at.nw = j > 0 ? above[j - 1] : at.n;
        at.ne = j + 1 < width ? above[j + 1] : at.n;
        at.nn = i > 1 ? above[j - width] : at.n;
    } else {
        at.w = j > 0 ? row[j - 1] : 0;
        at.n = at.nw = at.ne = at.nn = at.w;
    }
    at.ww = j > 1 ? row[j - 2] : at.w;
    return at;
}

INLINE i64 pattern_of(const Neighbours *at) {
    return (at->w == at->n) | (at->n == at->nw) << 1 | (at->n == at->ne) << 2 |
           (at->w == at->nw) << 3 | (at->ww == at->w) << 4 | (at->nn == at->n) << 5;
}

INLINE i64 answer_of(i32 neighbour, i32 low, i32 middle, i32 high) {
    if (neighbour < low || neighbour >= high) return 0;
    return neighbour >= middle ? 2 : 1;
}

/* Write or read an index that no neighbour has: the bits of its way down the tree. */
INLINE i32 code_way_down(RangeCoder *c, const int decoding, i32 index, const Neighbours *at,
                         i32 colours, i32 half) {
    i32 low = 0, high = colours;
    i64 node = 1;
    for (i64 level = 0; high - low > 1; level++) {
        while (half >= high - low) half >>= 1;
        i32 middle = low + half;
        i64 place = level < KNOWN_LEVELS ? node : KNOWN_NODES + level - KNOWN_LEVELS;
        i64 context = (place * ANSWERS + answer_of(at->w, low, middle, high)) * ANSWERS +
                      answer_of(at->n, low, middle, high);
        int above = code_bit_as(c, decoding, TREE_MODELS + context, index >= middle);
        if (above)
            low = middle;
        else
            high = middle;
        node = 2 * node + above;
    }
    return low;
}

INLINE i32 code_index(RangeCoder *c, const int decoding, i32 index, const Neighbours *at,
                      i32 colours, i32 half) {
    i64 context = SAME_MODELS + pattern_of(at);
    if (code_bit_as(c, decoding, context, index == at->w)) return at->w;
    if (at->n != at->w && code_bit_as(c, decoding, context + PATTERNS, index == at->n))
        return at->n;
    if (at->ne != at->w && at->ne != at->n &&
        code_bit_as(c, decoding, context + 2 * PATTERNS, index == at->ne))
        return at->ne;
    return code_way_down(c, decoding, index, at, colours, half);
}

/* Write the indices of a band, or read them; all stay below `colours`. */
INLINE void code_plane(RangeCoder *c, const int decoding, u16 *plane, i64 height, i64 width,
                       i32 colours) {
    i32 half = 1;
    while (2 * half < colours) half *= 2;
    for (i64 i = 0; i < height && !c->overrun; i++) {
        u16 *row = plane + i * width;
        for (i64 j = 0; j < width; j++) {
            Neighbours at = neighbours_of(row, width, i, j);
            i32 index = code_index(c, decoding, row[j], &at, colours, half);
            if (decoding) row[j] = (u16)index;
        }
    }
}

int64_t rk_kmeans_pack_plane(const uint16_t *plane, int64_t height, int64_t width, int64_t colours,
                             uint8_t *data, int64_t capacity_bytes) {
    i64 state[ADAPTIVE_STATE(PLANE_MODELS)];
    RangeCoder c = begin_writing(state, PLANE_MODELS, data, capacity_bytes);
    code_plane(&c, 0, (u16 *)plane, height, width, (i32)colours);
    return end_writing(&c);
}

int64_t rk_kmeans_unpack_plane(const uint8_t *data, int64_t size_bytes, int64_t colours,
                               uint16_t *plane, int64_t height, int64_t width) {
    i64 state[ADAPTIVE_STATE(PLANE_MODELS)];
    RangeCoder c = begin_reading(state, PLANE_MODELS, data, size_bytes);
    if (colours > 1) code_plane(&c, 1, plane, height, width, (i32)min_i64(colours, 1 << 16));
    return end_reading(&c);
}
