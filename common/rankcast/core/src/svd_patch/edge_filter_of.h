/* The filter of one edge for lanes of one width: loop_filter.c includes this with LANE i32 and EIGHT
 * i32x8, and again with i16 and i16x8. ANY tells whether a mask has a lane set.
 */

/* The limits in all lanes. */
typedef struct {
    EIGHT change, half_change, twice_change, ten_changes;
    EIGHT curvature, bend, spread, step, side;
} OF(Limits);

INLINE EIGHT OF(splat)(i32 value) { return (EIGHT){0} + (LANE)value; }

INLINE OF(Limits) OF(spread_limits)(EdgeLimits limits) {
    return (OF(Limits)){
        .change = OF(splat)(limits.change),
        .half_change = OF(splat)(limits.change >> 1),
        .twice_change = OF(splat)(2 * limits.change),
        .ten_changes = OF(splat)(10 * limits.change),
        .curvature = OF(splat)(limits.curvature),
        .bend = OF(splat)(limits.curvature >> 2),
        .spread = OF(splat)(limits.curvature >> 3),
        .step = OF(splat)((5 * limits.change + 1) >> 1),
        .side = OF(splat)((limits.curvature + (limits.curvature >> 1)) >> 3),
    };
}

/* Masks of what is done to each line. */
typedef struct {
    EIGHT on, strong, change_p1, change_q1;
} OF(Choice);

INLINE EIGHT OF(absolute)(EIGHT value) {
    EIGHT sign = value < 0;
    return (value ^ sign) - sign;
}
INLINE EIGHT OF(between)(EIGHT value, EIGHT low, EIGHT high) {
    EIGHT below = value < low;
    value = (below & low) | (~below & value);
    EIGHT above = value > high;
    return (above & high) | (~above & value);
}
INLINE EIGHT OF(near)(EIGHT value, EIGHT to, EIGHT most) {
    return OF(between)(value, to - most, to + most);
}

/* Lines are decided about by four, from the first and the last of them: what holds for the first is
 * said of all four. */
INLINE EIGHT OF(of_group)(EIGHT value) {
    return __builtin_shufflevector(value, value, 0, 0, 0, 0, 4, 4, 4, 4);
}
INLINE EIGHT OF(first_and_last)(EIGHT value) {
    return OF(of_group)(value +
                        __builtin_shufflevector(value, value, 3, 2, 1, 0, 7, 6, 5, 4));
}

INLINE EIGHT OF(second_difference)(EIGHT a, EIGHT b, EIGHT c) {
    return OF(absolute)(a - 2 * b + c);
}

/* Lines along which the picture is flat but for a step at the edge. */
INLINE EIGHT OF(flat_lines)(const EIGHT *v, EIGHT bend, const OF(Limits) *limits) {
    EIGHT spread = OF(absolute)(v[P3] - v[P0]) + OF(absolute)(v[Q0] - v[Q3]);
    EIGHT step = OF(absolute)(v[P0] - v[Q0]);
    return (2 * bend < limits->bend) & (spread < limits->spread) & (step < limits->step);
}

INLINE OF(Choice) OF(choose_filter)(const EIGHT *v, const OF(Limits) *limits) {
    EIGHT p = OF(second_difference)(v[P2], v[P1], v[P0]);
    EIGHT q = OF(second_difference)(v[Q0], v[Q1], v[Q2]);
    EIGHT bend_p = OF(first_and_last)(p), bend_q = OF(first_and_last)(q);
    EIGHT on = bend_p + bend_q < limits->curvature;
    return (OF(Choice)){
        .on = on,
        .strong = on & (OF(first_and_last)(OF(flat_lines)(v, p + q, limits)) == -2),
        .change_p1 = bend_p < limits->side,
        .change_q1 = bend_q < limits->side,
    };
}

/* Means of the samples around, where both sides are flat. */
INLINE void OF(filter_strongly)(const EIGHT *v, EIGHT most, EIGHT *out) {
    EIGHT pair = v[P0] + v[Q0];
    out[P2] = OF(near)((2 * v[P3] + 3 * v[P2] + v[P1] + pair + 4) >> 3, v[P2], most);
    out[P1] = OF(near)((v[P2] + v[P1] + pair + 2) >> 2, v[P1], most);
    out[P0] = OF(near)((v[P2] + 2 * v[P1] + 2 * pair + v[Q1] + 4) >> 3, v[P0], most);
    out[Q0] = OF(near)((v[P1] + 2 * pair + 2 * v[Q1] + v[Q2] + 4) >> 3, v[Q0], most);
    out[Q1] = OF(near)((pair + v[Q1] + v[Q2] + 2) >> 2, v[Q1], most);
    out[Q2] = OF(near)((pair + v[Q1] + 3 * v[Q2] + 2 * v[Q3] + 4) >> 3, v[Q2], most);
}

/* Take off a part of the step at the edge, and half as much beside it where that is flat. */
INLINE void OF(filter_weakly)(const EIGHT *v, const OF(Choice) *choice, const OF(Limits) *limits,
                              EIGHT *out) {
    const EIGHT zero = {0};
    EIGHT step = (9 * (v[Q0] - v[P0]) - 3 * (v[Q1] - v[P1]) + 8) >> 4;
    EIGHT on = choice->on & (OF(absolute)(step) < limits->ten_changes);
    step = OF(near)(step, zero, limits->change);
    EIGHT p1 = (((v[P2] + v[P0] + 1) >> 1) - v[P1] + step) >> 1;
    EIGHT q1 = (((v[Q2] + v[Q0] + 1) >> 1) - v[Q1] - step) >> 1;
    out[P2] = v[P2];
    out[P1] = v[P1] + (OF(near)(p1, zero, limits->half_change) & on & choice->change_p1);
    out[P0] = v[P0] + (step & on);
    out[Q0] = v[Q0] - (step & on);
    out[Q1] = v[Q1] + (OF(near)(q1, zero, limits->half_change) & on & choice->change_q1);
    out[Q2] = v[Q2];
}

/* Filter eight lines across an edge in place; return 0 if all stay as they are. */
INLINE int OF(filter_lines)(EIGHT *v, const OF(Limits) *limits, i32 largest) {
    OF(Choice) choice = OF(choose_filter)(v, limits);
    if (!ANY(choice.on)) return 0;
    EIGHT out[ACROSS], zero = {0}, highest = OF(splat)(largest);
    OF(filter_weakly)(v, &choice, limits, out);
    if (ANY(choice.strong)) {
        EIGHT strong[ACROSS], no = ~choice.strong;
        OF(filter_strongly)(v, limits->twice_change, strong);
        for (i32 k = P2; k <= Q2; k++) out[k] = (choice.strong & strong[k]) | (no & out[k]);
    }
    for (i32 k = P2; k <= Q2; k++) v[k] = OF(between)(out[k], zero, highest);
    return 1;
}

/* The edge above the unit whose first sample is at `first`. */
INLINE void OF(filter_above)(const Slice *s, u16 *first, const OF(Limits) *limits) {
    EIGHT v[ACROSS];
    for (i32 k = 0; k < ACROSS; k++)
        v[k] = __builtin_convertvector(
            *(const u16x8_any *)(first + (k - Q0) * (i64)s->width), EIGHT);
    if (!OF(filter_lines)(v, limits, s->largest)) return;
    for (i32 k = P2; k <= Q2; k++)
        *(u16x8_any *)(first + (k - Q0) * (i64)s->width) = __builtin_convertvector(v[k], u16x8);
}

/* The edge to the left of it. */
INLINE void OF(filter_beside)(const Slice *s, u16 *first, const OF(Limits) *limits) {
    u16x8 rows[UNIT];
    EIGHT v[ACROSS];
    first -= Q0;
    for (i32 line = 0; line < UNIT; line++)
        rows[line] = *(const u16x8_any *)(first + line * (i64)s->width);
    transpose_u16x8(rows);
    for (i32 k = 0; k < ACROSS; k++) v[k] = __builtin_convertvector(rows[k], EIGHT);
    if (!OF(filter_lines)(v, limits, s->largest)) return;
    for (i32 k = P2; k <= Q2; k++) rows[k] = __builtin_convertvector(v[k], u16x8);
    transpose_u16x8(rows);
    for (i32 line = 0; line < UNIT; line++)
        *(u16x8_any *)(first + line * (i64)s->width) = rows[line];
}

/* Filter the edges in and above a row of units, patch by patch. */
INLINE void OF(filter_row)(const Slice *s, i32 uy, const OF(Limits) limits[2]) {
    const Unit *row = unit_at(s, uy, 0);
    u16 *first = s->rebuilt + sample_index(s, uy * UNIT, 0);
    for (i32 ux = 1 << row->size; ux < s->units_x; ux += 1 << row[ux].size) {
        i32 strength = edge_strength(row + ux - 1, row + ux);
        if (strength != KEEP_EDGE)
            OF(filter_beside)(s, first + ux * UNIT, &limits[strength - 1]);
    }
    if (uy == s->top) return;
    for (i32 ux = 0; ux < s->units_x;) {
        i32 side = 1 << row[ux].size, end = min_i32(ux + side, s->units_x);
        if ((uy - s->top) % side != 0) ux = end;
        for (; ux < end; ux++) {
            i32 strength = edge_strength(row + ux - s->units_x, row + ux);
            if (strength != KEEP_EDGE)
                OF(filter_above)(s, first + ux * UNIT, &limits[strength - 1]);
        }
    }
}

/* Filter all edges. Row by row: no edge between rows has samples of another such edge, nor of an edge
 * within a later row. */
INLINE void OF(filter_rows)(const Slice *s) {
    OF(Limits) limits[] = {OF(spread_limits)(edge_limits(s, CODED_EDGE)),
                           OF(spread_limits)(edge_limits(s, INTRA_EDGE))};
    for (i32 uy = s->top; uy < s->bottom; uy++) OF(filter_row)(s, uy, limits);
}
