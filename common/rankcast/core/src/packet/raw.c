/* Packets of raw: the samples as they are, little-endian as every platform of the core. */
#include "header.h"

static i64 decode_raw(const Packet *p, Bytes body, u8 *pixels) {
    i64 bytes = samples_of(p) * p->sample_bytes;
    if (bytes_left(&body) != bytes) return RK_ERROR_STREAM;
    COPY(pixels, body.at, bytes);
    return RK_OK;
}
