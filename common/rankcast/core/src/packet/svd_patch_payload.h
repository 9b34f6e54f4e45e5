/* The body of an svd-patch packet: flags, borders of slices, factor matrices and slices. */
#ifndef RK_SVD_PATCH_PAYLOAD_H
#define RK_SVD_PATCH_PAYLOAD_H

#include "svd_patch_geometry.h"

enum { IS_KEPT = 1, HAS_BASES = 2, HAS_BORDERS = 4, TABLE_AGAIN = 8, ALL_FLAGS = 15 };
enum { MOST_BASES_BYTES = 64 * 512, MOST_BODY_BYTES = 1 << 16 };

typedef struct {
    i64 flags;
    Borders borders;
    Bytes bases; /* none where no plane has factors of its own */
    Bytes slices[MOST_PARTS];
} Payload;

/* Read a LEB128 number of at most 35 bits; below zero where the body ends within it. */
static i64 read_leb128(Bytes *from) {
    i64 value = 0;
    for (int shift = 0; shift <= 28; shift += 7) {
        if (bytes_left(from) < 1) return RK_ERROR_STREAM;
        i64 byte = *cut_bytes(from, 1).at;
        value |= (byte & 0x7F) << shift;
        if (byte < 0x80) return value;
    }
    return RK_ERROR_STREAM;
}

static i64 read_borders(const Geometry *g, Bytes *from, Borders *borders) {
    i64 bands = (g->planes[0].units_y + SLICE_UNITS - 1) / SLICE_UNITS, moved = 0;
    Borders usual = *borders;
    for (i64 k = 1; k < g->slices; k++) {
        i64 border = read_leb128(from);
        if (border < borders->at[k - 1] || border > bands) return RK_ERROR_STREAM;
        moved |= border != usual.at[k];
        borders->at[k] = border;
    }
    return moved ? RK_OK : RK_ERROR_STREAM; /* the usual ones are left out */
}

static i64 read_payload(const Geometry *g, Bytes from, Payload *payload) {
    i64 whole = bytes_left(&from), sizes[MOST_PARTS];
    if (whole < 1) return RK_ERROR_STREAM;
    payload->flags = *cut_bytes(&from, 1).at;
    payload->borders = usual_borders(g);
    if (payload->flags & ~ALL_FLAGS) return RK_ERROR_STREAM;
    if (payload->flags & HAS_BORDERS && read_borders(g, &from, &payload->borders) < 0)
        return RK_ERROR_STREAM;
    payload->bases = (Bytes){from.at, from.at};
    if (payload->flags & HAS_BASES) {
        i64 size = read_leb128(&from);
        if (size < 0 || size > MOST_BASES_BYTES || size > bytes_left(&from)) return RK_ERROR_STREAM;
        payload->bases = cut_bytes(&from, size);
    }
    for (i64 k = 0; k < g->slices - 1; k++) {
        sizes[k] = read_leb128(&from);
        if (sizes[k] < 0 || sizes[k] > whole) return RK_ERROR_STREAM;
    }
    for (i64 k = 0; k < g->slices; k++) {
        i64 size = k < g->slices - 1 ? sizes[k] : bytes_left(&from);
        int is_empty =
            slice_top(g, &payload->borders, k, 0) == slice_top(g, &payload->borders, k + 1, 0);
        if (size > bytes_left(&from) || (size > 0 && is_empty)) return RK_ERROR_STREAM;
        payload->slices[k] = cut_bytes(&from, size);
    }
    return RK_OK;
}

#endif
