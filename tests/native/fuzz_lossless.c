/* A band of the codec lossless.
 *
 * Python has checked that the transform is one of two, that YCoCg has three channels, that
 * `repeats` is 0 or 1 and that the cuts of the bands rise within the body; sides are those of a
 * valid header.
 */
#include "harness.h"

enum { MOST_SIDE = 40, MOST_CHANNELS = 5, MOST_BEFORE = 12 };

TARGET {
    Input in = {bytes, bytes + size};
    begin_run();
    int64_t deep = take(&in, 0, 1);
    int64_t height = take(&in, 1, MOST_SIDE), width = take(&in, 1, MOST_SIDE);
    int64_t channels = take(&in, 1, MOST_CHANNELS), transform = take(&in, 0, 1);
    int64_t repeats = take(&in, 0, 1);
    /* Bytes of the bands before: the coder must not mistake its place for its count. */
    int64_t start = take(&in, 0, MOST_BEFORE), end = bytes_left(&in);
    if (start > end) start = end;
    if (channels != 3) transform = 0;
    uint8_t *data = take_bytes(&in, &end);
    int64_t samples = height * width * channels;
    int64_t *memory = new_block(rk_lossless_decoder_bytes(width, channels));
    void *pixels = new_block(samples << deep);
    int64_t result = deep ? rk_lossless_decode_u16(data, start, end, height, width, channels,
                                                   transform, repeats, memory, pixels)
                          : rk_lossless_decode_u8(data, start, end, height, width, channels,
                                                  transform, repeats, memory, pixels);
    if (succeeded(result)) observe(pixels, samples << deep);
    free_blocks();
    return 0;
}
