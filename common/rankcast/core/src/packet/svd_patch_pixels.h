/* Padded planes of svd-patch to pixels, row by row, for every layout. */
#ifndef RK_SVD_PATCH_PIXELS_H
#define RK_SVD_PATCH_PIXELS_H

#include "../pixels.h"
#include "svd_patch_geometry.h"

/* How a rebuilt picture leaves the decoder. */
typedef void PutPlanes(const Packet *p, const Geometry *g, u16 *const planes[], u8 *pixels);

/* Samples of a plane that lie `step` apart in the pixels, from index `first` on. */
INLINE void spread_row(const u16 *row, i64 count, u8 *pixels, i64 first, i64 step, const int bytes) {
    i64 i = 0;
    for (; step == 1 && i + 8 <= count; i += 8)
        store_samples(pixels + first * bytes, i, load_u16x8(row + i), bytes);
    for (; i < count; i++) set_sample(pixels, first + i * step, row[i], bytes);
}

INLINE void spread_planes(const Packet *p, const Geometry *g, u16 *const planes[], u8 *pixels,
                          const int bytes) {
    for (i64 index = 0; index < g->plane_count; index++) {
        const PlaneSize *size = &g->planes[index];
        int is_mosaic = g->layout == BAYER;
        for (i64 i = 0; i < size->height; i++) {
            const u16 *row = planes[index] + i * size->units_x * UNIT;
            i64 y = is_mosaic ? 2 * i + index / 2 : i;
            i64 first = y * p->width * p->channels + (is_mosaic ? index % 2 : index);
            spread_row(row, size->width, pixels, first, is_mosaic ? 2 : p->channels, bytes);
        }
    }
}

static void merge_colours(const Packet *p, const Geometry *g, u16 *const planes[], u8 *pixels) {
    int is_half = g->layout == YCC420;
    i64 stride = g->planes[0].units_x * UNIT, chroma_stride = g->planes[1].units_x * UNIT;
    for (i64 i = 0; i < p->height; i++, pixels += p->width * p->channels * p->sample_bytes) {
        const u16 *y = planes[0] + i * stride;
        const u16 *cb = planes[1] + (i >> is_half) * chroma_stride;
        const u16 *cr = planes[2] + (i >> is_half) * chroma_stride;
        if (is_half && g->deep)
            rk_planes_merge_420(y, cb, cr, 1, p->width, (u16 *)pixels);
        else if (is_half)
            rk_planes_merge_limited_420_u16(y, cb, cr, 1, p->width, pixels);
        else if (g->deep)
            rk_planes_merge_444_u16(y, cb, cr, p->width, (u16 *)pixels);
        else
            rk_planes_merge_444_u8(y, cb, cr, p->width, pixels);
    }
}

static void planes_to_pixels(const Packet *p, const Geometry *g, u16 *const planes[], u8 *pixels) {
    if (g->layout == YCC420 || g->layout == YCC444)
        merge_colours(p, g, planes, pixels);
    else if (g->deep)
        spread_planes(p, g, planes, pixels, 2);
    else
        spread_planes(p, g, planes, pixels, 1);
}

/* The same to the RGBA of a screen. */
static void planes_to_screen(const Packet *p, const Geometry *g, u16 *const planes[], u8 *rgba) {
    if (g->layout == YCC420) {
        rk_screen_limited_420(planes[0], planes[1], planes[2], p->height, p->width,
                              g->planes[0].units_x * UNIT, g->planes[1].units_x * UNIT, rgba);
        return;
    }
    u8 *bgr = bgr_within(p, rgba);
    planes_to_pixels(p, g, planes, bgr);
    rk_screen_from_bgr(bgr, p->height * p->width, rgba);
}

#endif
