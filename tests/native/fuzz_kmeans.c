/* Palettes and index planes of kmeans.
 *
 * Python has checked that there are 1 to 65536 colours and at most one a pixel; the core itself
 * refuses more channels than it has models for. Planes are zeros before the call.
 */
#include "harness.h"

enum { MOST_SIDE = 48, MOST_IN_PALETTE = 300, MOST_CHANNELS = 66, MOST_COLOURS = 1 << 16 };

static void read_palette(Input *in) {
    int64_t colours = take(in, 1, MOST_IN_PALETTE), channels = take(in, 1, MOST_CHANNELS);
    int64_t peak = take(in, 0, 1) ? 65535 : 255, count = colours * channels;
    int64_t size = bytes_left(in);
    uint8_t *data = take_bytes(in, &size);
    int64_t *palette = new_zeros(count * 8);
    if (succeeded(rk_kmeans_unpack_palette(data, size, colours, channels, peak, palette)))
        observe(palette, count * 8);
    for (int64_t i = 0; i < count; i++) REQUIRE(palette[i] >= 0 && palette[i] <= peak);
}

static void read_plane(Input *in) {
    int64_t height = take(in, 1, MOST_SIDE), width = take(in, 1, MOST_SIDE), count = height * width;
    int64_t colours = take(in, 1, MOST_COLOURS), size = bytes_left(in);
    uint8_t *data = take_bytes(in, &size);
    uint16_t *plane = new_zeros(count * 2);
    if (succeeded(rk_kmeans_unpack_plane(data, size, colours, plane, height, width)))
        observe(plane, count * 2);
    for (int64_t i = 0; i < count; i++) REQUIRE(plane[i] < colours);
}

TARGET {
    Input in = {bytes, bytes + size};
    begin_run();
    if (take(&in, 0, 1))
        read_plane(&in);
    else
        read_palette(&in);
    free_blocks();
    return 0;
}
