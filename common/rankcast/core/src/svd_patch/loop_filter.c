/* The filter in the loop: smooths the edges between patches where quantisation has left a step,
 * once a slice of a plane is rebuilt, before the next frame is predicted from it. Decisions and
 * tables are those of ITU-T H.265, 8.7.2; strengths are scaled to the depth of the plane. Intra
 * prediction has used the samples before. */
#include "slice.h"

enum { MAX_FILTER = 51 };

/* Largest change of a sample, by index (table 8-12, tC). */
static const u8 CHANGES[MAX_FILTER + 3] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1,  1,  1,  1,  1,  1,  1,  1,
    2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 5, 6, 6, 7, 8, 9, 10, 11, 13, 14, 16, 18, 20, 22, 24,
};
/* Curvature from which on an edge belongs to the picture (table 8-12, beta). */
static const u8 CURVATURES[MAX_FILTER + 1] = {
    0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  6,  7,
    8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 22, 24, 26, 28, 30, 32,
    34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62, 64,
};

enum { KEEP_EDGE, CODED_EDGE, INTRA_EDGE };

/* What may be changed at an edge, in levels of the plane. */
typedef struct {
    i32 change, curvature;
} EdgeLimits;

static EdgeLimits edge_limits(const Slice *s, i32 strength) {
    i32 index = s->filter + 2 * (strength - 1);
    return (EdgeLimits){CHANGES[index] << s->filter_shift,
                        CURVATURES[s->filter] << s->filter_shift};
}

/* Across an edge lie p3 p2 p1 p0 | q0 q1 q2 q3; a vector has one of them for eight lines. */
enum { P3, P2, P1, P0, Q0, Q1, Q2, Q3, ACROSS };

INLINE int moves_apart(const Unit *p, const Unit *q) {
    return abs_i32(p->vector_y - q->vector_y) >= 4 || abs_i32(p->vector_x - q->vector_x) >= 4 ||
           p->mode != q->mode;
}

/* How much an edge may show, by how its sides are coded. */
INLINE i32 edge_strength(const Unit *p, const Unit *q) {
    if (p->kind == INTRA || q->kind == INTRA) return INTRA_EDGE;
    return p->coded || q->coded || moves_apart(p, q) ? CODED_EDGE : KEEP_EDGE;
}

#define LANE i32
#define EIGHT i32x8
#define OF(name) wide_##name
#define ANY any_lane
#include "edge_filter_of.h"
#undef LANE
#undef EIGHT
#undef OF
#undef ANY

/* Samples of 10 bits with the limits of 10 bits: no sum has more than 14. */
enum { NARROW_LARGEST = 1023, NARROW_SHIFT = 2 };
#define LANE i16
#define EIGHT i16x8
#define OF(name) narrow_##name
#define ANY any_lane_i16x8
#include "edge_filter_of.h"
#undef LANE
#undef EIGHT
#undef OF
#undef ANY

/* Filter the slice of the plane. */
static void filter_slice(Slice *s) {
    if (s->filter == 0) return;
    if (s->largest <= NARROW_LARGEST && s->filter_shift <= NARROW_SHIFT)
        narrow_filter_rows(s);
    else
        wide_filter_rows(s);
}
