/* Decoders of whole packets: from the numbers of a header and the bytes of a body to pixels.
 *
 * They are what a receiver without Python needs, and do what the Python decoders do with the same
 * kernels, one slice or band after the other. docs/wire.md has the formats.
 */
#include "header.h"

#include "raw.c"
#include "lossless.c"
#include "svd.c"
#include "svd_patch.c"

int64_t rk_packet_memory_bytes(const struct rk_packet *packet) {
    if (!has_picture(packet)) return RK_ERROR_STREAM;
    switch (packet->codec) {
    case RAW: return 0;
    case SVD: return svd_memory_bytes(packet);
    case SVD_PATCH: return patch_memory_bytes(packet);
    case LOSSLESS: return lossless_memory_bytes(packet);
    default: return RK_ERROR_CODEC;
    }
}

/* Whether the body may be decoded with this memory. */
static i64 check_memory(const Packet *p, i64 memory_bytes) {
    i64 wanted = rk_packet_memory_bytes(p);
    return wanted < 0 ? wanted : wanted > memory_bytes ? RK_ERROR_SPACE : RK_OK;
}

static i64 decode_plain(const Packet *p, Bytes from, u8 *memory, u8 *pixels) {
    switch (p->codec) {
    case RAW: return decode_raw(p, from, pixels);
    case SVD: return decode_svd(p, from, memory, pixels);
    case SVD_PATCH: return decode_patches(p, from, memory, pixels, planes_to_pixels);
    default: return decode_lossless(p, from, memory, pixels);
    }
}

int64_t rk_packet_decode(const struct rk_packet *packet, const uint8_t *body, int64_t body_bytes,
                         uint8_t *memory, int64_t memory_bytes, uint8_t *pixels) {
    i64 result = check_memory(packet, memory_bytes);
    if (result < 0) return result;
    return decode_plain(packet, (Bytes){body, body + max_i64(body_bytes, 0)}, memory, pixels);
}

int64_t rk_packet_decode_rgba(const struct rk_packet *packet, const uint8_t *body,
                              int64_t body_bytes, uint8_t *memory, int64_t memory_bytes,
                              uint8_t *rgba) {
    i64 result = check_memory(packet, memory_bytes);
    if (result < 0) return result;
    if (!is_bgr(packet)) return RK_ERROR_STREAM;
    Bytes from = {body, body + max_i64(body_bytes, 0)};
    if (packet->codec == SVD_PATCH)
        return decode_patches(packet, from, memory, rgba, planes_to_screen);
    u8 *bgr = bgr_within(packet, rgba);
    result = decode_plain(packet, from, memory, bgr);
    if (result == RK_OK) rk_screen_from_bgr(bgr, packet->height * packet->width, rgba);
    return result;
}
