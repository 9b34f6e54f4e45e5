/* Prediction of a patch from the samples around it: planar, mean and 33 directions, as in ITU-T
 * H.265, 8.4.4.2. Everything is in integers: both ends predict the same samples. */
#include "slice.h"

enum { PLANAR, DC, FIRST_ANGLE, HORIZONTAL = 10, FIRST_VERTICAL = 18, VERTICAL = 26,
       LAST_ANGLE = 34, INTRA_MODES };

/* Displacement of each row or column, in 1/32 sample (table 8-5). */
static const i8 ANGLES[INTRA_MODES] = {
    0,   0,   32,  26,  21,  17,  13, 9,  5,  2,  0, -2, -5, -9, -13, -17, -21, -26,
    -32, -26, -21, -17, -13, -9,  -5, -2, 0,  2,  5, 9,  13, 17, 21,  26,  32,
};
/* 8192 / angle of the angles below zero (table 8-6). */
static const i16 INVERSE_ANGLES[INTRA_MODES] = {
    0,    0,    0,    0,    0,    0,    0,    0,     0,     0,     0,     -4096,
    -1638, -910, -630, -482, -390, -315, -256, -315, -390,  -482,  -630,  -910,
    -1638, -4096, 0,   0,    0,    0,    0,    0,     0,     0,     0,
};

/* Index, on the other side of the corner, of the sample that a direction of negative angle crosses
 * `i` samples before the corner. */
INLINE i32 projected(i32 mode, i32 i) { return (i * -INVERSE_ANGLES[mode] + 128) >> 8; }
/* How many of them a patch needs. */
INLINE i32 projected_count(i32 mode, i32 side) { return (side * -ANGLES[mode]) >> 5; }

INLINE void fill(i32 *to, i32 count, i32 value) {
    for (i32 i = 0; i < count; i++) to[i] = value;
}

/* The row above, from the sample behind the corner on. What is not known yet repeats the last one
 * that is. */
INLINE void gather_top(const Slice *s, i32 uy, i32 ux, i32 side, i32 last, i32 *to) {
    const u16 *row = s->rebuilt + sample_index(s, uy * UNIT - 1, ux * UNIT);
    const Unit *above = unit_at(s, uy - 1, ux);
    i32 units = side / UNIT;
    for (i32 u = 0; u < 2 * units; u++) {
        int known = ux + u < s->units_x && (u < units || above[u].kind != SPLIT);
        if (known) {
            store_i32x8(to + u * UNIT, load_u16x8(row + u * UNIT));
            last = row[u * UNIT + UNIT - 1];
        } else {
            store_i32x8(to + u * UNIT, splat_i32x8(last));
        }
    }
}

/* The column to the left, downwards; `to` is the sample above it. */
INLINE void gather_left(const Slice *s, i32 uy, i32 ux, i32 side, i32 last, i32 *to) {
    const u16 *column = s->rebuilt + sample_index(s, uy * UNIT, ux * UNIT - 1);
    const Unit *left = unit_at(s, uy, ux - 1);
    i32 units = side / UNIT;
    for (i32 u = 0; u < 2 * units; u++, left += s->units_x) {
        int known = uy + u < s->bottom && (u < units || left->kind != SPLIT);
        for (i32 i = 0; i < UNIT; i++, column += s->width) {
            if (known) last = *column;
            *--to = last;
        }
    }
}

/* Collect the 4 x side + 1 samples around a patch into s->edge; for patches of 16 and 32 they are
 * smoothed [1 2 1]. */
static void gather_edge(Slice *s, i32 uy, i32 ux, i32 side) {
    i32 *raw = side == UNIT ? s->edge : s->line;
    i32 low = CORNER - 2 * side, high = CORNER + 2 * side;
    int has_top = uy > s->top, has_left = ux > 0;
    const u16 *corner = s->rebuilt + sample_index(s, uy * UNIT, ux * UNIT);
    i32 first = (s->largest + 1) / 2;
    if (has_top) first = corner[-(i64)s->width];
    if (has_left) first = corner[-1];
    if (has_top)
        gather_top(s, uy, ux, side, first, raw + CORNER + 1);
    else
        fill(raw + CORNER + 1, 2 * side, first);
    if (has_left)
        gather_left(s, uy, ux, side, first, raw + CORNER);
    else
        fill(raw + low, 2 * side, first);
    if (has_top && has_left)
        raw[CORNER] = corner[-(i64)s->width - 1];
    else if (has_top)
        raw[CORNER] = raw[CORNER + 1];
    else
        raw[CORNER] = raw[CORNER - 1];
    if (raw == s->edge) return;
    i32 *edge = s->edge;
    for (i32 i = low + 1; i < high; i += 8) {
        i32x8 sum = load_i32x8(raw + i - 1) + 2 * load_i32x8(raw + i) + load_i32x8(raw + i + 1);
        store_i32x8(edge + i, (sum + 2) >> 2);
    }
    edge[low] = raw[low];
    edge[high] = raw[high];
}

INLINE i32x8 ramp_from(i32 first) {
    return (i32x8){0, 1, 2, 3, 4, 5, 6, 7} + first;
}

INLINE void predict_planar(const i32 *edge, const i32 side, i32 shift, u16 (*out)[CELL]) {
    i32 right = edge[CORNER + side + 1], bottom = edge[CORNER - side - 1];
    for (i32 i = 0; i < side; i++) {
        i32 left = edge[CORNER - 1 - i];
        /* (side - 1 - j) left + (j + 1) right, written as a ramp. */
        i32 start = side * left + (i + 1) * bottom + side;
        for (i32 j = 0; j < side; j += 8) {
            i32x8 across = ramp_from(j + 1) * (right - left) + start;
            i32x8 down = (side - 1 - i) * load_i32x8(edge + CORNER + 1 + j);
            store_u16x8(&out[i][j], (across + down) >> (shift + 1));
        }
    }
}

INLINE void predict_mean(const i32 *edge, const i32 side, i32 shift, u16 (*out)[CELL]) {
    i32 total = side;
    for (i32 i = 1; i <= side; i++) total += edge[CORNER + i] + edge[CORNER - i];
    i32x8 mean = splat_i32x8(total >> (shift + 1));
    for (i32 i = 0; i < side; i++)
        for (i32 j = 0; j < side; j += 8) store_u16x8(&out[i][j], mean);
}

INLINE void load_tile(u16 (*from)[CELL], u16x8 *rows) {
    for (i32 i = 0; i < 8; i++) rows[i] = *(const u16x8_any *)from[i];
    transpose_u16x8(rows);
}
INLINE void store_tile(u16 (*to)[CELL], const u16x8 *rows) {
    for (i32 i = 0; i < 8; i++) *(u16x8_any *)to[i] = rows[i];
}

/* Rows become columns, tile by tile of 8 x 8. */
INLINE void transpose(u16 (*block)[CELL], const i32 side) {
    for (i32 i = 0; i < side; i += 8)
        for (i32 j = i; j < side; j += 8) {
            u16x8 upper[8], lower[8];
            load_tile((u16 (*)[CELL])&block[i][j], upper);
            load_tile((u16 (*)[CELL])&block[j][i], lower);
            store_tile((u16 (*)[CELL])&block[i][j], lower);
            store_tile((u16 (*)[CELL])&block[j][i], upper);
        }
}

INLINE void predict_angle(Slice *s, const i32 mode, const i32 side, u16 (*out)[CELL]) {
    const i32 *edge = s->edge;
    i32 *line = s->line;
    /* `direction` walks along the main side, -`direction` along the other one. */
    i32 direction = mode >= FIRST_VERTICAL ? 1 : -1, angle = ANGLES[mode];
    for (i32 i = 0; i <= 2 * side; i++) line[CORNER + i] = edge[CORNER + direction * i];
    if (angle < 0)
        for (i32 i = 1; i <= projected_count(mode, side); i++)
            line[CORNER - i] = edge[CORNER - direction * projected(mode, i)];
    for (i32 i = 0; i < side; i++) {
        i32 offset = (i + 1) * angle, weight = offset & 31;
        const i32 *near = line + CORNER + 1 + (offset >> 5);
        for (i32 j = 0; j < side; j += 8) {
            i32x8 from = load_i32x8(near + j), to = load_i32x8(near + j + 1);
            store_u16x8(&out[i][j], (32 * from + weight * (to - from) + 16) >> 5);
        }
    }
    if (direction < 0) transpose(out, side);
}

INLINE void predict_side(Slice *s, i32 mode, const i32 size, u16 (*out)[CELL]) {
    const i32 side = UNIT << size, shift = 3 + size;
    if (mode == PLANAR)
        predict_planar(s->edge, side, shift, out);
    else if (mode == DC)
        predict_mean(s->edge, side, shift, out);
    else
        predict_angle(s, mode, side, out);
}

/* Fill `out` from s->edge by one of the 35 modes. */
static void predict_intra(Slice *s, i32 mode, i32 size, u16 (*out)[CELL]) {
    if (size == SIZE_8)
        predict_side(s, mode, SIZE_8, out);
    else if (size == SIZE_16)
        predict_side(s, mode, SIZE_16, out);
    else
        predict_side(s, mode, SIZE_32, out);
}
