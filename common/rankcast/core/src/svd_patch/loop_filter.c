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

/* Masks of what is done to each line. */
typedef struct {
    i32x8 on, strong, change_p1, change_q1;
} EdgeChoice;

/* Lines are decided about by four, from the first and the last of them: what holds for the first is
 * said of all four. */
INLINE i32x8 of_group(i32x8 value) {
    return __builtin_shufflevector(value, value, 0, 0, 0, 0, 4, 4, 4, 4);
}
INLINE i32x8 first_and_last(i32x8 value) {
    return of_group(value + __builtin_shufflevector(value, value, 3, 2, 1, 0, 7, 6, 5, 4));
}

INLINE i32x8 second_difference(i32x8 a, i32x8 b, i32x8 c) { return abs_i32x8(a - 2 * b + c); }

/* Lines along which the picture is flat but for a step at the edge. */
INLINE i32x8 flat_lines(const i32x8 *v, i32x8 bend, EdgeLimits limits) {
    i32x8 spread = abs_i32x8(v[P3] - v[P0]) + abs_i32x8(v[Q0] - v[Q3]);
    i32x8 step = abs_i32x8(v[P0] - v[Q0]);
    return (2 * bend < limits.curvature >> 2) & (spread < limits.curvature >> 3) &
           (step < (5 * limits.change + 1) >> 1);
}

INLINE EdgeChoice choose_filter(const i32x8 *v, EdgeLimits limits) {
    i32x8 p = second_difference(v[P2], v[P1], v[P0]), q = second_difference(v[Q0], v[Q1], v[Q2]);
    i32x8 bend_p = first_and_last(p), bend_q = first_and_last(q);
    i32 side = (limits.curvature + (limits.curvature >> 1)) >> 3;
    return (EdgeChoice){
        .on = bend_p + bend_q < limits.curvature,
        .strong = first_and_last(flat_lines(v, p + q, limits)) == -2,
        .change_p1 = bend_p < side,
        .change_q1 = bend_q < side,
    };
}

INLINE i32x8 near(i32x8 value, i32x8 to, i32 most) {
    return clamp_i32x8(value, to - most, to + most);
}

/* Means of the samples around, where both sides are flat. */
INLINE void filter_strongly(const i32x8 *v, i32 most, i32x8 *out) {
    i32x8 pair = v[P0] + v[Q0];
    out[P2] = near((2 * v[P3] + 3 * v[P2] + v[P1] + pair + 4) >> 3, v[P2], most);
    out[P1] = near((v[P2] + v[P1] + pair + 2) >> 2, v[P1], most);
    out[P0] = near((v[P2] + 2 * v[P1] + 2 * pair + v[Q1] + 4) >> 3, v[P0], most);
    out[Q0] = near((v[P1] + 2 * pair + 2 * v[Q1] + v[Q2] + 4) >> 3, v[Q0], most);
    out[Q1] = near((pair + v[Q1] + v[Q2] + 2) >> 2, v[Q1], most);
    out[Q2] = near((pair + v[Q1] + 3 * v[Q2] + 2 * v[Q3] + 4) >> 3, v[Q2], most);
}

/* Take off a part of the step at the edge, and half as much beside it where that is flat. */
INLINE void filter_weakly(const i32x8 *v, EdgeChoice choice, i32 change, i32x8 *out) {
    const i32x8 zero = {0};
    i32x8 step = (9 * (v[Q0] - v[P0]) - 3 * (v[Q1] - v[P1]) + 8) >> 4;
    i32x8 on = choice.on & (abs_i32x8(step) < 10 * change);
    step = near(step, zero, change);
    i32x8 p1 = (((v[P2] + v[P0] + 1) >> 1) - v[P1] + step) >> 1;
    i32x8 q1 = (((v[Q2] + v[Q0] + 1) >> 1) - v[Q1] - step) >> 1;
    out[P2] = v[P2];
    out[P1] = v[P1] + (near(p1, zero, change >> 1) & on & choice.change_p1);
    out[P0] = v[P0] + (step & on);
    out[Q0] = v[Q0] - (step & on);
    out[Q1] = v[Q1] + (near(q1, zero, change >> 1) & on & choice.change_q1);
    out[Q2] = v[Q2];
}

/* Filter eight lines across an edge in place; return 0 if all stay as they are. */
INLINE int filter_lines(i32x8 *v, EdgeLimits limits, i32 largest) {
    EdgeChoice choice = choose_filter(v, limits);
    if (!any_lane(choice.on)) return 0;
    i32x8 strong[ACROSS], weak[ACROSS];
    filter_strongly(v, 2 * limits.change, strong);
    filter_weakly(v, choice, limits.change, weak);
    i32x8 all = choice.strong & choice.on;
    for (i32 k = P2; k <= Q2; k++)
        v[k] = clip_samples(select_i32x8(all, strong[k], weak[k]), largest);
    return 1;
}

/* The edge above the unit whose first sample is at `first`. */
static void filter_above(const Slice *s, u16 *first, EdgeLimits limits) {
    i32x8 v[ACROSS];
    for (i32 k = 0; k < ACROSS; k++) v[k] = load_u16x8(first + (k - Q0) * (i64)s->width);
    if (!filter_lines(v, limits, s->largest)) return;
    for (i32 k = P2; k <= Q2; k++) store_u16x8(first + (k - Q0) * (i64)s->width, v[k]);
}

/* The edge to the left of it. */
static void filter_beside(const Slice *s, u16 *first, EdgeLimits limits) {
    u16x8 rows[UNIT];
    i32x8 v[ACROSS];
    first -= Q0;
    for (i32 line = 0; line < UNIT; line++)
        rows[line] = *(const u16x8_any *)(first + line * (i64)s->width);
    transpose_u16x8(rows);
    for (i32 k = 0; k < ACROSS; k++) v[k] = __builtin_convertvector(rows[k], i32x8);
    if (!filter_lines(v, limits, s->largest)) return;
    for (i32 k = P2; k <= Q2; k++) rows[k] = __builtin_convertvector(v[k], u16x8);
    transpose_u16x8(rows);
    for (i32 line = 0; line < UNIT; line++)
        *(u16x8_any *)(first + line * (i64)s->width) = rows[line];
}

INLINE int moves_apart(const Unit *p, const Unit *q) {
    return abs_i32(p->vector_y - q->vector_y) >= 4 || abs_i32(p->vector_x - q->vector_x) >= 4 ||
           p->mode != q->mode;
}

/* How much an edge may show, by how its sides are coded. */
INLINE i32 edge_strength(const Unit *p, const Unit *q) {
    if (p->kind == INTRA || q->kind == INTRA) return INTRA_EDGE;
    return p->coded || q->coded || moves_apart(p, q) ? CODED_EDGE : KEEP_EDGE;
}

/* Whether two units lie in one patch, by their places in the slice. */
INLINE int in_one_patch(const Unit *p, i32 p_place, const Unit *q, i32 q_place) {
    return p->size == q->size && p_place >> p->size == q_place >> q->size;
}

/* Filter the slice of the plane: all upright edges, then all level ones. */
static void filter_slice(Slice *s) {
    if (s->filter == 0) return;
    EdgeLimits limits[] = {edge_limits(s, CODED_EDGE), edge_limits(s, INTRA_EDGE)};
    for (i32 uy = s->top; uy < s->bottom; uy++)
        for (i32 ux = 1; ux < s->units_x; ux++) {
            const Unit *q = unit_at(s, uy, ux), *p = q - 1;
            i32 strength = edge_strength(p, q);
            if (strength == KEEP_EDGE || in_one_patch(p, ux - 1, q, ux)) continue;
            filter_beside(s, s->rebuilt + sample_index(s, uy * UNIT, ux * UNIT),
                          limits[strength - 1]);
        }
    for (i32 uy = s->top + 1; uy < s->bottom; uy++)
        for (i32 ux = 0; ux < s->units_x; ux++) {
            const Unit *q = unit_at(s, uy, ux), *p = q - s->units_x;
            i32 strength = edge_strength(p, q), place = uy - s->top;
            if (strength == KEEP_EDGE || in_one_patch(p, place - 1, q, place)) continue;
            filter_above(s, s->rebuilt + sample_index(s, uy * UNIT, ux * UNIT),
                         limits[strength - 1]);
        }
}
