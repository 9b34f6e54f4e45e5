/* The body of a reference packet: all that later pictures are predicted from, sample by sample. */
#ifndef RK_SVD_PATCH_REFERENCE_H
#define RK_SVD_PATCH_REFERENCE_H

#include "svd_patch_stream.h"

enum { PART_BYTES = 4, MOST_COUNT = 95, FAST_BYTES = 2, SLOW_BYTES = 2, COUNT_BYTES = 1 };
enum { MODEL_BYTES = FAST_BYTES + SLOW_BYTES + COUNT_BYTES };

/* Cut the next part off a body; of all but the last one, the length is the next in `lengths`. */
static i64 next_part(Bytes *lengths, Bytes *body, Bytes *part) {
    i64 size = bytes_left(body);
    if (bytes_left(lengths) > 0)
        size = (i64)read_number(cut_bytes(lengths, PART_BYTES).at, PART_BYTES);
    if (size > bytes_left(body)) return RK_ERROR_STREAM;
    *part = cut_bytes(body, size);
    return RK_OK;
}

/* The models that differ from those of a key frame: a bit for each, then their values. */
static i64 read_models(Bytes from, i64 *models) {
    i64 count = rk_svd_patch_models(), bitmap_bytes = (count + 7) / 8, changed = 0;
    rk_svd_patch_begin_models(models);
    if (bytes_left(&from) < bitmap_bytes) return RK_ERROR_STREAM;
    const u8 *bitmap = cut_bytes(&from, bitmap_bytes).at;
    for (i64 i = 0; i < 8 * bitmap_bytes; i++) {
        i64 differs = bitmap[i / 8] >> i % 8 & 1;
        if (differs && i >= count) return RK_ERROR_STREAM;
        changed += differs;
    }
    if (bytes_left(&from) != MODEL_BYTES * changed) return RK_ERROR_STREAM;
    Bytes fast = cut_bytes(&from, FAST_BYTES * changed), slow = cut_bytes(&from, SLOW_BYTES * changed);
    for (i64 i = 0; i < count; i++) {
        if (!(bitmap[i / 8] >> i % 8 & 1)) continue;
        i64 low = (i64)read_number(cut_bytes(&fast, FAST_BYTES).at, FAST_BYTES);
        i64 high = (i64)read_number(cut_bytes(&slow, SLOW_BYTES).at, SLOW_BYTES);
        i64 seen = *cut_bytes(&from, COUNT_BYTES).at;
        /* An estimate of 0 would leave a bit no width. */
        if (low == 0 || high == 0 || seen > MOST_COUNT) return RK_ERROR_STREAM;
        models[i] = low | high << 16 | seen << 32;
    }
    return RK_OK;
}

/* One plane as a picture of lossless, of 8 bits where these suffice. */
static i64 read_samples(const Stream *s, const Geometry *g, Bytes from, i64 index, u16 *plane) {
    const PlaneSize *size = &g->planes[index];
    i64 samples = padded_samples(size), is_wide = g->largest > 255;
    if (bytes_left(&from) < 1) return RK_ERROR_STREAM;
    i64 repeats = *cut_bytes(&from, 1).at;
    if (repeats > 1) return RK_ERROR_STREAM;
    LosslessPicture picture = {size->units_y * UNIT, size->units_x * UNIT, 1, 1 + is_wide, PLAIN,
                               repeats};
    u8 *bytes = (u8 *)plane;
    i64 result = decode_bands(&picture, from, s->lossless, bytes);
    if (result < 0) return result;
    /* From the last sample on, because two bytes take the place of one. */
    for (i64 i = samples; !is_wide && i-- > 0;) plane[i] = bytes[i];
    for (i64 i = 0; i < samples; i++)
        if (plane[i] > g->largest) return RK_ERROR_STREAM;
    return RK_OK;
}

static i64 read_reference(const Stream *s, const Geometry *g, Bytes body, HeldPicture *picture) {
    i64 parts = 1 + g->slices + g->plane_count;
    if (bytes_left(&body) < PART_BYTES * (parts - 1)) return RK_ERROR_STREAM;
    Bytes lengths = cut_bytes(&body, PART_BYTES * (parts - 1)), part;
    CLEAR(picture->own, g->plane_count);
    i64 result = next_part(&lengths, &body, &part);
    if (result == RK_OK && bytes_left(&part) > 0) result = read_bases(s, g, part, picture);
    for (i64 slice = 0; slice < g->slices && result == RK_OK; slice++) {
        result = next_part(&lengths, &body, &part);
        if (result == RK_OK) result = read_models(part, picture->coders[slice] + REGISTERS);
    }
    for (i64 plane = 0; plane < g->plane_count && result == RK_OK; plane++) {
        result = next_part(&lengths, &body, &part);
        if (result == RK_OK) result = read_samples(s, g, part, plane, picture->planes[plane]);
    }
    return result;
}

#endif
