/* Rows of pixels to rows of planes and back, with or without the transform of colours. */
#ifndef RK_LOSSLESS_COLOUR_H
#define RK_LOSSLESS_COLOUR_H

#include "../pixels.h"
#include "rows.h"

enum { PLAIN, YCOCG }; /* transforms, as in the header of a packet */

/* The reversible transform YCoCg-R (Malvar and Sullivan 2003). */
INLINE void split_ycocg(Pixels8 p, i32 *y, i32 *co, i32 *cg) {
    i32x8 orange = p.channel[RED] - p.channel[BLUE];
    i32x8 middle = p.channel[BLUE] + (orange >> 1);
    i32x8 green = p.channel[GREEN] - middle;
    store_i32x8(co, orange);
    store_i32x8(cg, green);
    store_i32x8(y, middle + (green >> 1));
}

INLINE Pixels8 merge_ycocg(const i32 *y, const i32 *co, const i32 *cg) {
    i32x8 orange = load_i32x8(co), green = load_i32x8(cg);
    i32x8 middle = load_i32x8(y) - (green >> 1);
    i32x8 blue = middle - (orange >> 1);
    return (Pixels8){{blue, green + middle, orange + blue}};
}

/* The current rows of all planes from one row of pixels; in vectors, since rows have room behind. */
INLINE void row_to_planes(const Plane *planes, const u8 *pixels, i64 channels, i64 transform,
                          const int bytes) {
    i64 width = planes[0].width, j = 0;
    if (transform == YCOCG) {
        i32 *y = planes[0].here, *co = planes[1].here, *cg = planes[2].here;
        for (; j + LANES <= width; j += LANES) {
            Pixels8 p = load_pixels(pixels + COLOURS * bytes * j, bytes);
            split_ycocg(p, y + j, co + j, cg + j);
        }
        if (j < width) {
            u16 last[LANES * COLOURS] = {0};
            COPY(last, pixels + COLOURS * bytes * j, COLOURS * bytes * (width - j));
            split_ycocg(load_pixels(last, bytes), y + j, co + j, cg + j);
        }
        return;
    }
    if (channels == 1)
        for (; j + LANES <= width; j += LANES)
            store_i32x8(planes[0].here + j, load_samples(pixels, j, bytes));
    for (; j < width; j++)
        for (i64 c = 0; c < channels; c++)
            planes[c].here[j] = sample_at(pixels, j * channels + c, bytes);
}

/* One row of pixels from rows of all planes. Hostile planes within their ranges may stand for no
 * colours: these wrap, which harms nobody. */
INLINE void planes_to_row(const Plane *planes, u8 *pixels, i64 channels, i64 transform,
                          const int bytes) {
    i64 width = planes[0].width, j = 0;
    if (transform == YCOCG) {
        const i32 *y = planes[0].above, *co = planes[1].above, *cg = planes[2].above;
        for (; j + LANES <= width; j += LANES)
            store_pixels(pixels + COLOURS * bytes * j, merge_ycocg(y + j, co + j, cg + j), bytes);
        if (j < width) {
            u16 last[LANES * COLOURS];
            store_pixels(last, merge_ycocg(y + j, co + j, cg + j), bytes);
            COPY(pixels + COLOURS * bytes * j, last, COLOURS * bytes * (width - j));
        }
        return;
    }
    if (channels == 1)
        for (; j + LANES <= width; j += LANES)
            store_samples(pixels, j, load_i32x8(planes[0].above + j), bytes);
    for (; j < width; j++)
        for (i64 c = 0; c < channels; c++)
            set_sample(pixels, j * channels + c, planes[c].above[j], bytes);
}

#endif
