/* Choice of an intra mode by absolute differences, in floats and on some of the rows. Nothing here
 * needs to be exact: the chosen mode is predicted again by intra.c. */
#include "encoder.h"

/* Mean absolute difference in steps below which no other mode is looked for. */
static const f64 GOOD_MODE = 0.15;
/* Length of a mode that a neighbour has, and of any other, in bits. */
static const f64 NEIGHBOUR_BITS = 1.5, OTHER_BITS = 5.5;

/* Sum of absolute differences of a directional mode, counted on every `stride`-th row. `samples` is
 * the source, transposed for the modes along the left side, `along` the side that the mode runs
 * along and `other` the other one, both outwards from the corner: one code serves both. */
INLINE f32 angle_difference(i32 mode, const i32 side, const i32 stride, f32 (*samples)[CELL],
                            f32 *along, const f32 *other) {
    i32 angle = ANGLES[mode];
    if (angle < 0)
        for (i32 i = 1; i <= projected_count(mode, side); i++)
            along[CORNER - i] = other[CORNER + projected(mode, i)];
    f32x8 lanes[TILES] = {{0}};
    for (i32 i = stride - 1; i < side; i += stride) {
        i32 offset = (i + 1) * angle;
        f32 weight = (f32)(offset & 31) * (1.0f / 32), rest = 1.0f - weight;
        const f32 *near = along + CORNER + 1 + (offset >> 5);
        for (i32 g = 0; g < side / 8; g++) {
            f32x8 from = load_f32x8(near + 8 * g), to = load_f32x8(near + 8 * g + 1);
            lanes[g] += abs_f32x8(load_f32x8(&samples[i][8 * g]) - rest * from - weight * to);
        }
    }
    return sum_tiles(lanes, side / 8) * (f32)stride;
}

INLINE f32 mean_difference(const i32 *edge, const i32 side, const i32 stride,
                           f32 (*samples)[CELL]) {
    f32 mean = 0;
    for (i32 i = 1; i <= side; i++) mean += (f32)edge[CORNER + i] + (f32)edge[CORNER - i];
    mean /= (f32)(2 * side);
    f32x8 lanes[TILES] = {{0}};
    for (i32 i = stride - 1; i < side; i += stride)
        for (i32 g = 0; g < side / 8; g++)
            lanes[g] += abs_f32x8(load_f32x8(&samples[i][8 * g]) - mean);
    return sum_tiles(lanes, side / 8) * (f32)stride;
}

INLINE f32 planar_difference(const i32 *edge, const i32 side, const i32 stride,
                             f32 (*samples)[CELL]) {
    const f32 scale = 1.0f / (f32)(2 * side);
    f32 right = (f32)edge[CORNER + side + 1] * scale, bottom = (f32)edge[CORNER - side - 1] * scale;
    f32x8 lanes[TILES] = {{0}}, top[TILES];
    for (i32 g = 0; g < side / 8; g++)
        top[g] = to_f32x8(load_i32x8(edge + CORNER + 1 + 8 * g)) * scale;
    for (i32 i = stride - 1; i < side; i += stride) {
        f32 left = (f32)edge[CORNER - 1 - i] * scale;
        f32 first = (f32)side * left + (f32)(i + 1) * bottom;
        f32 slope = right - left, weight = (f32)(side - 1 - i);
        /* (side - 1 - j) left + (j + 1) right, written as a ramp. */
        for (i32 g = 0; g < side / 8; g++) {
            f32x8 predicted = first + weight * top[g] + to_f32x8(ramp_from(8 * g + 1)) * slope;
            lanes[g] += abs_f32x8(load_f32x8(&samples[i][8 * g]) - predicted);
        }
    }
    return sum_tiles(lanes, side / 8) * (f32)stride;
}

INLINE f32 mode_difference_of(Encoder *e, i32 mode, const i32 side, const i32 stride) {
    const i32 *edge = e->slice.edge;
    if (mode == DC) return mean_difference(edge, side, stride, e->samples);
    if (mode == PLANAR) return planar_difference(edge, side, stride, e->samples);
    if (mode >= FIRST_VERTICAL)
        return angle_difference(mode, side, stride, e->samples, e->top_line, e->left_line);
    return angle_difference(mode, side, stride, e->turned, e->left_line, e->top_line);
}

static f32 mode_difference(Encoder *e, i32 mode, i32 size) {
    return size == SIZE_8    ? mode_difference_of(e, mode, 8, 2)
           : size == SIZE_16 ? mode_difference_of(e, mode, 16, 4)
                             : mode_difference_of(e, mode, 32, 4);
}

/* Lay out the source, its transpose, and both sides of the edge outwards from the corner. */
static void lay_out(Encoder *e, i32 y, i32 x, i32 side) {
    Slice *s = &e->slice;
    for (i32 i = 0; i < side; i++) {
        const u16 *row = e->source + sample_index(s, y + i, x);
        for (i32 j = 0; j < side; j += 8) store_f32x8(&e->samples[i][j], real_samples(row + j));
    }
    for (i32 i = 0; i < side; i++)
        for (i32 j = 0; j < side; j++) e->turned[i][j] = e->samples[j][i];
    for (i32 i = 0; i <= 2 * side; i++) {
        e->top_line[CORNER + i] = (f32)s->edge[CORNER + i];
        e->left_line[CORNER + i] = (f32)s->edge[CORNER - i];
    }
}

enum { NO_MODE = -1, NEIGHBOUR_MODES = 3 };

/* The best mode so far. */
typedef struct {
    Encoder *e;
    i32 size;
    i32 neighbours[NEIGHBOUR_MODES]; /* modes of the left, the upper neighbour and the guide */
    i32 mode;
    f64 cost;
} ModeSearch;

INLINE int is_neighbours(const ModeSearch *find, i32 mode) {
    for (i32 k = 0; k < NEIGHBOUR_MODES; k++)
        if (mode == find->neighbours[k]) return 1;
    return 0;
}

static void try_mode(ModeSearch *find, i32 mode) {
    f64 bits = is_neighbours(find, mode) ? NEIGHBOUR_BITS : OTHER_BITS;
    f64 cost = (f64)mode_difference(find->e, mode, find->size) + find->e->bit_difference * bits;
    if (cost < find->cost) {
        find->cost = cost;
        find->mode = mode;
    }
}

/* Try every `stride`-th direction from `first` to `last`, those of neighbours apart: they were. */
static void try_angles(ModeSearch *find, i32 first, i32 last, i32 stride) {
    for (i32 mode = first; mode <= last; mode += stride)
        if (mode >= FIRST_ANGLE && mode <= LAST_ANGLE && !is_neighbours(find, mode))
            try_mode(find, mode);
}

static void try_neighbours(ModeSearch *find) {
    const i32 *modes = find->neighbours;
    for (i32 k = 0; k < NEIGHBOUR_MODES; k++) {
        int tried = (k > 0 && modes[k] == modes[0]) || (k > 1 && modes[k] == modes[1]);
        if (modes[k] >= FIRST_ANGLE && !tried) try_mode(find, modes[k]);
    }
}

INLINE i32 mode_of(const Unit *unit) { return is_kind(unit, INTRA) ? unit->mode : NO_MODE; }

/* Choose an intra mode; sets the decision's mode and returns its cost as an absolute difference.
 * Planar, mean and the neighbours' modes; a coarse fan of directions; then closer ones. */
static f64 choose_mode(Encoder *e, i32 uy, i32 ux, i32 size) {
    Slice *s = &e->slice;
    i32 side = UNIT << size;
    Neighbours n = neighbours_of(s, uy, ux);
    ModeSearch find = {
        .e = e,
        .size = size,
        .neighbours = {mode_of(n.left), mode_of(n.above), mode_of(n.guide)},
        .cost = WORST,
    };
    f64 good = GOOD_MODE * e->step * side * side;
    gather_edge(s, uy, ux, side);
    lay_out(e, uy * UNIT, ux * UNIT, side);
    try_mode(&find, PLANAR);
    try_mode(&find, DC);
    try_neighbours(&find);
    if (find.cost >= good) {
        if (s->chroma)
            try_angles(&find, HORIZONTAL, VERTICAL, VERTICAL - HORIZONTAL);
        else
            try_angles(&find, FIRST_ANGLE, LAST_ANGLE, 4);
    }
    for (i32 distance = 2; distance >= 1; distance--) {
        if (find.cost < good || find.mode < FIRST_ANGLE || s->chroma) break;
        try_angles(&find, find.mode - distance, find.mode + distance, 2 * distance);
    }
    s->decision.mode = find.mode;
    return find.cost;
}
