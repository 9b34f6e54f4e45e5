/* Packets of raw, svd, svd-patch and lossless as a whole: header fields and bodies, some of one
 * stream after the other. Nothing has been checked before but what a parser of headers checks: the
 * number of params and ranks. Parts of a picture are smaller here than in the core that is shipped.
 */
#include "harness.h"

enum { MOST_SIDE = 70, MOST_CHANNELS = 4, MOST_PACKETS = 3, PARAMS = 4, CODECS = 5 };
enum { MOST_MEMORY_BYTES = 1 << 26 };
static const int64_t MOST_CHECKSUM = (1ll << 32) - 2;

static const int64_t KINDS[] = {RK_KIND_KEY, RK_KIND_PREDICTED, RK_KIND_REFERENCE};

static struct rk_packet take_packet(Input *in, int64_t sequence) {
    struct rk_packet packet = {
        .codec = take(in, 0, CODECS - 1),
        .kind = KINDS[take(in, 0, 2)],
        .sequence = sequence,
        .ref_sequence = sequence - take(in, 0, 2),
        .checksum = take(in, -1, MOST_CHECKSUM),
        .height = take(in, 1, MOST_SIDE),
        .width = take(in, 1, MOST_SIDE),
        .channels = take(in, 1, MOST_CHANNELS),
        .sample_bytes = take(in, 1, 2),
        .param_count = take(in, 0, PARAMS),
        .rank_count = take(in, 0, MOST_CHANNELS),
    };
    for (int64_t i = 0; i < packet.param_count; i++) packet.params[i] = take(in, -1, 1 << 20);
    for (int64_t i = 0; i < packet.rank_count; i++) packet.ranks[i] = take(in, -1, 65535);
    return packet;
}

TARGET {
    Input in = {bytes, bytes + size};
    begin_run();
    uint8_t *memories[CODECS] = {NULL};
    int64_t memory_bytes[CODECS] = {0}, packets = take(&in, 1, MOST_PACKETS);
    for (int64_t sequence = 0; sequence < packets; sequence++) {
        struct rk_packet packet = take_packet(&in, sequence);
        int64_t body_bytes, wanted = rk_packet_memory_bytes(&packet);
        uint8_t *body = take_part(&in, &body_bytes);
        if (!succeeded(wanted) || wanted > MOST_MEMORY_BYTES) continue;
        int64_t *held = &memory_bytes[packet.codec];
        if (wanted > *held) memories[packet.codec] = new_zeros(*held = wanted);
        /* Colours of 8 bits become RGBA as often as BGR. */
        int is_screen = packet.channels == 3 && packet.sample_bytes == 1 && body_bytes % 2;
        int64_t bytes_a_pixel = is_screen ? 4 : packet.channels * packet.sample_bytes;
        int64_t pixel_bytes = packet.height * packet.width * bytes_a_pixel;
        uint8_t *pixels = new_zeros(pixel_bytes);
        if (succeeded((is_screen ? rk_packet_decode_rgba : rk_packet_decode)(
                &packet, body, body_bytes, memories[packet.codec], *held, pixels)))
            observe(pixels, pixel_bytes);
    }
    free_blocks();
    return 0;
}
