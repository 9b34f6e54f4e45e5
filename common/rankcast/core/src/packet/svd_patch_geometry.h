/* From the shape of a picture to its planes, their padded sizes and their slices. */
#ifndef RK_SVD_PATCH_GEOMETRY_H
#define RK_SVD_PATCH_GEOMETRY_H

#include "header.h"

enum { GREY, YCC420, YCC444, BAYER, CHANNELS, LAYOUTS };
enum { UNIT = 8, SLICE_UNITS = 4, UNIT_FIELDS = 6 };
enum { LEAST_STEP = 4, MOST_STEP = 1 << 20, MOST_RANK = 8 };
/* The filter in the loop: an index plus this times the binary logarithm of its scale. */
enum { FILTER_SCALE = 64, MOST_FILTER = 51, MOST_FILTER_SHIFT = 8 };

typedef struct {
    i64 height, width;    /* true size */
    i64 units_y, units_x; /* padded, in units */
    i64 guide_shift;
} PlaneSize;

typedef struct {
    i64 layout;
    i64 deep; /* 16-bit samples */
    i64 largest;
    i64 step;
    i64 filter, filter_shift;
    i64 slices;
    i64 plane_count;
    PlaneSize planes[MOST_CHANNELS];
} Geometry;

/* First unit rows of the first plane in multiples of SLICE_UNITS, one for each slice. */
typedef struct {
    i64 at[MOST_PARTS];
} Borders;

INLINE i64 padded_samples(const PlaneSize *plane) {
    return plane->units_y * plane->units_x * UNIT * UNIT;
}

static PlaneSize size_of_plane(const Packet *p, i64 layout, i64 index) {
    PlaneSize size = {.height = p->height, .width = p->width};
    if (layout == YCC420 && index > 0) {
        size.height = (p->height + 1) / 2;
        size.width = (p->width + 1) / 2;
        size.guide_shift = 1;
    } else if (layout == BAYER) {
        size.height = (p->height + 1 - index / 2) / 2;
        size.width = (p->width + 1 - index % 2) / 2;
    }
    size.units_y = (size.height + UNIT - 1) / UNIT;
    size.units_x = (size.width + UNIT - 1) / UNIT;
    return size;
}

/* The number of planes; 0 where such a picture cannot have the layout. */
static i64 planes_of(const Packet *p, i64 layout) {
    switch (layout) {
    case GREY: return p->channels == 1;
    case YCC420:
    case YCC444: return p->channels == 3 ? 3 : 0;
    case BAYER: return p->channels == 1 && p->height >= 2 && p->width >= 2 ? 4 : 0;
    default: return p->channels > 1 ? p->channels : 0;
    }
}

static i64 geometry_of(const Packet *p, Geometry *g) {
    if (p->param_count != 4) return RK_ERROR_STREAM;
    i64 layout = p->params[0], step = p->params[1], rank = p->params[2], filter = p->params[3];
    if (layout < GREY || layout >= LAYOUTS || step < LEAST_STEP || step > MOST_STEP || rank < 1
        || rank > MOST_RANK || filter < 0 || filter % FILTER_SCALE > MOST_FILTER
        || filter / FILTER_SCALE > MOST_FILTER_SHIFT || planes_of(p, layout) == 0)
        return RK_ERROR_STREAM;
    g->layout = layout;
    g->deep = p->sample_bytes == 2;
    g->largest = g->deep ? 65535 : layout == YCC444 ? 1023 : 255;
    g->step = step;
    g->filter = filter % FILTER_SCALE;
    g->filter_shift = filter / FILTER_SCALE;
    g->slices = parts_of(p->height, p->width);
    g->plane_count = planes_of(p, layout);
    for (i64 i = 0; i < g->plane_count; i++) g->planes[i] = size_of_plane(p, layout, i);
    return RK_OK;
}

/* Those of slices of equal size: of a body that names none. */
static Borders usual_borders(const Geometry *g) {
    Borders borders = {{0}};
    for (i64 k = 1; k < g->slices; k++)
        borders.at[k] =
            2 * divide_to_nearest(g->planes[0].units_y * k, 2 * SLICE_UNITS * g->slices);
    return borders;
}

/* First unit row of a slice in a plane, and behind the last slice the end of the plane. */
static i64 slice_top(const Geometry *g, const Borders *borders, i64 slice, i64 plane) {
    const PlaneSize *size = &g->planes[plane];
    if (slice == g->slices) return size->units_y;
    return min_i64(borders->at[slice] * SLICE_UNITS >> size->guide_shift, size->units_y);
}

#endif
