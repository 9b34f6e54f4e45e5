/* Packets of svd-patch: the slices of a picture one after the other, its checksum, its pixels. */
#include "svd_patch_payload.h"
#include "svd_patch_pixels.h"
#include "svd_patch_reference.h"
#include "svd_patch_stream.h"

/* Take over models and factors of the reference, or begin afresh. */
static void start_picture(const Geometry *g, HeldPicture *picture, const HeldPicture *reference) {
    for (i64 slice = 0; slice < g->slices; slice++) {
        if (reference)
            COPY(picture->coders[slice], reference->coders[slice],
                 ADAPTIVE_STATE(rk_svd_patch_models()) * sizeof(i64));
        else
            rk_svd_patch_begin_models(picture->coders[slice] + REGISTERS);
    }
    CLEAR(picture->own, g->plane_count);
    if (!reference) return;
    COPY(picture->own, reference->own, g->plane_count);
    COPY(picture->factors, reference->factors, g->plane_count * FACTORS * sizeof(i32));
}

static i64 read_slice(const Stream *s, const Geometry *g, const Payload *payload, i64 index,
                      const HeldPicture *picture, const HeldPicture *reference) {
    Bytes from = payload->slices[index];
    i64 *coder = picture->coders[index];
    rk_range_start_decoder(coder, from.at, 0, bytes_left(&from));
    for (i64 plane = 0; plane < g->plane_count; plane++) {
        const PlaneSize *size = &g->planes[plane], *first = &g->planes[0];
        if (picture->own[plane]) fill_own(s, picture->factors + plane * FACTORS);
        BasisArrays basis = picture->own[plane] ? s->own : s->table;
        struct rk_slice slice = {
            .coder = coder,
            .data = (u8 *)from.at,
            .reference = reference ? reference->planes[plane] : NULL,
            .rebuilt = picture->planes[plane],
            .units = s->units[plane],
            .guide = plane ? s->units[0] : NULL,
            .left = basis.left,
            .right_t = basis.right_t,
            .scratch = s->scratch,
            .units_y = size->units_y,
            .units_x = size->units_x,
            .guide_units_y = first->units_y,
            .guide_units_x = first->units_x,
            .guide_shift = size->guide_shift,
            .top = slice_top(g, &payload->borders, index, plane),
            .bottom = slice_top(g, &payload->borders, index + 1, plane),
            .largest = g->largest,
            .deep = g->deep,
            /* The planes of a mosaic and of a multispectral frame have the statistics of luma. */
            .chroma = plane > 0 && (g->layout == YCC420 || g->layout == YCC444),
            .step = g->step,
            .filter = g->filter,
            .filter_shift = g->filter_shift,
        };
        i64 result = rk_svd_patch_decode_plane(&slice);
        if (result < 0) return result;
    }
    /* A decoder reads ahead: what it has not touched is no part of the slice. */
    return coder[REGISTER_POSITION] >= bytes_left(&from) ? RK_OK : RK_ERROR_STREAM;
}

static i64 read_picture(const Stream *s, const Geometry *g, const Payload *payload,
                        HeldPicture *picture, const HeldPicture *reference) {
    start_picture(g, picture, reference);
    if (bytes_left(&payload->bases) > 0) {
        i64 result = read_bases(s, g, payload->bases, picture);
        if (result < 0) return result;
    }
    if (payload->flags & TABLE_AGAIN) CLEAR(picture->own, g->plane_count);
    for (i64 plane = 0; plane < g->plane_count; plane++) {
        const PlaneSize *size = &g->planes[plane];
        CLEAR(s->units[plane], size->units_y * size->units_x * UNIT_FIELDS * sizeof(i16));
    }
    for (i64 index = 0; index < g->slices; index++) {
        i64 result = read_slice(s, g, payload, index, picture, reference);
        if (result < 0) return result;
    }
    return RK_OK;
}

static i64 checksum_of(const Geometry *g, const HeldPicture *picture) {
    i64 value = 0;
    for (i64 plane = 0; plane < g->plane_count; plane++)
        value = rk_svd_patch_checksum(picture->planes[plane], padded_samples(&g->planes[plane]),
                                      value);
    return value;
}

/* Whether flags and factors are those of such a frame. */
static int is_payload_of(const Packet *p, const Payload *payload) {
    if (p->kind == RK_KIND_PREDICTED) return bytes_left(&payload->bases) == 0;
    return payload->flags & IS_KEPT && !(payload->flags & TABLE_AGAIN);
}

static i64 patch_memory_bytes(const Packet *p) {
    Geometry g;
    i64 result = geometry_of(p, &g);
    if (result < 0) return result;
    Memory memory = new_memory(NULL);
    stream_arrays(&g, &memory);
    return memory_for(&memory);
}

/* Read the slices of a key frame or a predicted one into the spare picture. */
static i64 read_frame(const Stream *s, const Packet *p, const Geometry *g, Bytes body,
                      HeldPicture *picture, i64 *is_kept) {
    Payload payload;
    i64 predicted = p->kind == RK_KIND_PREDICTED;
    i64 result = read_payload(g, body, &payload);
    if (result < 0) return result;
    if (!is_payload_of(p, &payload)) return RK_ERROR_STREAM;
    *is_kept = payload.flags & IS_KEPT;
    const HeldPicture *reference = predicted ? &s->pictures[s->state->reference] : NULL;
    return read_picture(s, g, &payload, picture, reference);
}

static i64 decode_patches(const Packet *p, Bytes body, u8 *from, u8 *pixels, PutPlanes *put) {
    Geometry g;
    i64 predicted = p->kind == RK_KIND_PREDICTED, is_kept = 1;
    i64 result = geometry_of(p, &g);
    if (result < 0) return result;
    /* Noise at the finest step takes 1.45 bytes a sample of 8 bits and 2.65 of 16; what hostile
     * bytes cost grows with their number. */
    if (bytes_left(&body) > MOST_BODY_BYTES + samples_of(p) * (1 + p->sample_bytes))
        return RK_ERROR_STREAM;
    Memory memory = new_memory(from);
    Stream s = stream_arrays(&g, &memory);
    StreamState *state = s.state;
    int is_known = is_stream_of(state, p, &g);
    if (predicted && (!state->has_reference || state->sequence != p->ref_sequence))
        return RK_ERROR_REFERENCE;
    if (predicted && !is_known) return RK_ERROR_STREAM;
    if (!is_known) begin_stream(&s, p, &g);
    i64 spare = state->has_reference ? 1 - state->reference : 0;
    HeldPicture *picture = &s.pictures[spare];
    result = p->kind == RK_KIND_REFERENCE ? read_reference(&s, &g, body, picture)
                                          : read_frame(&s, p, &g, body, picture, &is_kept);
    if (result < 0) return result;
    if (p->checksum >= 0 && checksum_of(&g, picture) != p->checksum) {
        /* What it was predicted from may be wrong too: begin again. */
        if (predicted) state->has_reference = 0;
        return RK_ERROR_CHECKSUM;
    }
    if (is_kept) {
        state->has_reference = 1;
        state->reference = spare;
        state->sequence = p->sequence;
    }
    put(p, &g, picture->planes, pixels);
    return RK_OK;
}
