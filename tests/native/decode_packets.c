/* Runs a file of cases through the decoders of whole packets: tests/support/core_packets.py writes it.
 *
 *     decode_packets CASES
 *
 * Prints a line a case: result and CRC-32 of the pixels. Any compiler builds it, for any system that
 * the core is built for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rankcast_core.h"

enum { CODECS = 8, MOST_MEMORY_BYTES = 1 << 30 };

/* Memory of the stream, for each codec. */
typedef struct {
    uint8_t *memory;
    int64_t bytes;
} Decoder;

static uint32_t crc32(const uint8_t *data, int64_t bytes) {
    uint32_t crc = ~0u;
    for (int64_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int k = 0; k < 8; k++) crc = crc & 1 ? 0xEDB88320u ^ crc >> 1 : crc >> 1;
    }
    return ~crc;
}

static uint8_t *read_file(const char *name, int64_t *bytes) {
    FILE *file = fopen(name, "rb");
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    *bytes = ftell(file);
    rewind(file);
    uint8_t *data = malloc((size_t)*bytes + 1);
    int64_t done = data ? (int64_t)fread(data, 1, (size_t)*bytes, file) : 0;
    fclose(file);
    return data && done == *bytes ? data : NULL;
}

static int64_t decode(Decoder *decoder, const struct rk_packet *packet, const uint8_t *body,
                      int64_t body_bytes, uint32_t *crc) {
    int64_t wanted = rk_packet_memory_bytes(packet);
    if (wanted < 0) return wanted;
    if (wanted > MOST_MEMORY_BYTES) return RK_ERROR_SPACE;
    if (wanted > decoder->bytes) {
        free(decoder->memory);
        *decoder = (Decoder){calloc((size_t)wanted, 1), wanted};
    }
    int64_t bytes = packet->height * packet->width * packet->channels * packet->sample_bytes;
    uint8_t *pixels = malloc((size_t)bytes);
    int64_t result = RK_ERROR_SPACE;
    if (pixels && (decoder->memory || !wanted))
        result = rk_packet_decode(packet, body, body_bytes, decoder->memory, decoder->bytes, pixels);
    if (result == RK_OK) *crc = crc32(pixels, bytes);
    free(pixels);
    return result;
}

int main(int count, char **arguments) {
    int64_t left = 0;
    const uint8_t *at = count == 2 ? read_file(arguments[1], &left) : NULL;
    if (!at) {
        fprintf(stderr, "usage: decode_packets CASES\n");
        return 1;
    }
    Decoder decoders[CODECS] = {{0}};
    while (left > 0) {
        int64_t begins, body_bytes;
        struct rk_packet packet;
        memcpy(&begins, at, 8);
        memcpy(&packet, at + 8, sizeof packet);
        memcpy(&body_bytes, at + 8 + sizeof packet, 8);
        at += 16 + sizeof packet;
        for (int i = 0; i < CODECS && begins; i++) {
            free(decoders[i].memory);
            decoders[i] = (Decoder){0};
        }
        uint32_t crc = 0;
        int64_t result = decode(&decoders[packet.codec % CODECS], &packet, at, body_bytes, &crc);
        printf("%lld %08lx\n", (long long)result, (unsigned long)crc);
        int64_t whole = (body_bytes + 7) / 8 * 8;
        at += whole;
        left -= 16 + (int64_t)sizeof packet + whole;
    }
    return 0;
}
