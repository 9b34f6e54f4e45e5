/* Differences of intra modes in lanes of 16 bits, for samples of up to ten bits, on some of the
 * rows; see modes.c. */
#include "encoder.h"

/* Set the source at (y, x), its transpose, and both sides of the edge outwards from the corner. */
static void lay_out_narrow(Encoder *e, i32 y, i32 x, i32 side) {
    const Slice *s = &e->slice;
    ModeSamples *m = &e->modes;
    m->source = e->source + sample_index(s, y, x);
    m->stride = s->width;
    for (i32 i = 0; i < side; i += 8)
        for (i32 j = 0; j < side; j += 8) {
            u16x8 rows[8];
            for (i32 k = 0; k < 8; k++)
                rows[k] = *(const u16x8_any *)(m->source + (i + k) * m->stride + j);
            transpose_u16x8(rows);
            store_tile((u16 (*)[CELL])&m->turned[j][i], rows);
        }
    for (i32 i = 0; i < 2 * side; i += 8) {
        i32x8 top = load_i32x8(s->edge + CORNER + i), left = load_i32x8(s->edge + CORNER - i - 7);
        store_i16x8(m->top + CORNER + i, __builtin_convertvector(top, i16x8));
        left = __builtin_shufflevector(left, left, 7, 6, 5, 4, 3, 2, 1, 0);
        store_i16x8(m->left + CORNER + i, __builtin_convertvector(left, i16x8));
    }
    m->top[CORNER + 2 * side] = (i16)s->edge[CORNER + 2 * side];
    m->left[CORNER + 2 * side] = (i16)s->edge[CORNER - 2 * side];
}

INLINE i16x8 abs_i16x8(i16x8 value) { return (value ^ (value >> 15)) - (value >> 15); }
INLINE i16x16 abs_i16x16(i16x16 value) { return (value ^ (value >> 15)) - (value >> 15); }

INLINE i32 sum_i16x16(i16x16 lanes) { return sum_i32x8(dot_pairs(lanes, (i16x16){0} + 1)); }
INLINE i32 sum_i16x8(i16x8 lanes) { return sum_i16x16(interleave_i16x8(lanes, splat_i16x8(0))); }

/* Of a directional mode, on every `stride`-th row of `samples`; `along` is the side of the edge
 * that it runs along, and `other` the other one. */
INLINE i32 narrow_angle_difference(i32 mode, const i32 side, const i32 stride, const u16 *samples,
                                   i64 row_stride, i16 *along, const i16 *other) {
    i32 angle = ANGLES[mode];
    if (angle < 0)
        for (i32 i = 1; i <= projected_count(mode, side); i++)
            along[CORNER - i] = other[CORNER + projected(mode, i)];
    i16x16 lanes = {0};
    i16x8 few = splat_i16x8(0);
    for (i32 i = stride - 1; i < side; i += stride) {
        i32 offset = (i + 1) * angle;
        i16 weight = (i16)(offset & 31);
        const i16 *near = along + CORNER + 1 + (offset >> 5);
        const u16 *row = samples + i * row_stride;
        if (side == UNIT) {
            i16x8 from = load_i16x8(near), to = load_i16x8(near + 1);
            from += (weight * (to - from) + 16) >> 5;
            few += abs_i16x8(load_i16x8(row) - from);
            continue;
        }
        for (i32 j = 0; j < side; j += 16) {
            i16x16 from = *(const i16x16_any *)(near + j), to = *(const i16x16_any *)(near + j + 1);
            from += (weight * (to - from) + 16) >> 5;
            lanes += abs_i16x16(load_i16x16(row + j) - from);
        }
    }
    return side == UNIT ? sum_i16x8(few) : sum_i16x16(lanes);
}

INLINE i32 narrow_mean_difference(const ModeSamples *m, const i32 side, const i32 stride) {
    i32 total = side;
    for (i32 i = 1; i <= side; i++) total += m->top[CORNER + i] + m->left[CORNER + i];
    const i16 mean = (i16)(total / (2 * side));
    i16x8 lanes = splat_i16x8(0);
    for (i32 i = stride - 1; i < side; i += stride)
        for (i32 j = 0; j < side; j += 8)
            lanes += abs_i16x8(load_i16x8(m->source + i * m->stride + j) - mean);
    return sum_i16x8(lanes);
}

/* The prediction is below 2^16: sums may wrap on the way. */
INLINE i32 narrow_planar_difference(const ModeSamples *m, const i32 side, const i32 stride) {
    const i32 shift = side == 8 ? 4 : side == 16 ? 5 : 6;
    i32 right = m->top[CORNER + side + 1], bottom = m->left[CORNER + side + 1];
    const u16x8 ramp = {1, 2, 3, 4, 5, 6, 7, 8};
    i16x8 lanes = splat_i16x8(0);
    for (i32 i = stride - 1; i < side; i += stride) {
        i32 left = m->left[CORNER + 1 + i];
        u16 start = (u16)(side * left + (i + 1) * bottom + side), slope = (u16)(right - left);
        for (i32 j = 0; j < side; j += 8) {
            u16x8 across = (ramp + (u16)j) * slope + start;
            u16x8 down = (u16)(side - 1 - i) * (u16x8)load_i16x8(m->top + CORNER + 1 + j);
            i16x8 predicted = (i16x8)((across + down) >> shift);
            lanes += abs_i16x8(load_i16x8(m->source + i * m->stride + j) - predicted);
        }
    }
    return sum_i16x8(lanes);
}

INLINE i32 narrow_mode_difference(Encoder *e, i32 mode, const i32 side, const i32 stride) {
    ModeSamples *m = &e->modes;
    if (mode == DC) return narrow_mean_difference(m, side, stride);
    if (mode == PLANAR) return narrow_planar_difference(m, side, stride);
    if (mode >= FIRST_VERTICAL)
        return narrow_angle_difference(mode, side, stride, m->source, m->stride, m->top, m->left);
    return narrow_angle_difference(mode, side, stride, m->turned[0], CELL, m->left, m->top);
}
