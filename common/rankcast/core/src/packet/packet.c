/* Decoders of whole packets: from the numbers of a header and the bytes of a body to pixels.
 *
 * They are what a receiver without Python needs, and do what the Python decoders do with the same
 * kernels, one slice or band after the other. docs/wire.md has the formats.
 */
#include "header.h"

#include "raw.c"
#include "rgba.c"
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

int64_t rk_packet_decode(const struct rk_packet *packet, const uint8_t *body, int64_t body_bytes,
                         uint8_t *memory, int64_t memory_bytes, uint8_t *pixels) {
    i64 wanted = rk_packet_memory_bytes(packet);
    if (wanted < 0) return wanted;
    if (wanted > memory_bytes) return RK_ERROR_SPACE;
    Bytes from = {body, body + max_i64(body_bytes, 0)};
    switch (packet->codec) {
    case RAW: return decode_raw(packet, from, pixels);
    case SVD: return decode_svd(packet, from, memory, pixels);
    case SVD_PATCH: return decode_patches(packet, from, memory, pixels);
    default: return decode_lossless(packet, from, memory, pixels);
    }
}
