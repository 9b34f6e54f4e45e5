/* From decoded planes to pixels.
 *
 * Samples are within full scale: the decoders of the planes have clamped them, those of 8-bit
 * pictures in 4:4:4 to 1023. Chroma of 4:2:0 has (side + 1) / 2 samples each way.
 */
#include "harness.h"

enum { MOST_SIDE = 40, FULL_8 = 1023, FULL_16 = 65535 };
enum { QUARTERS_8, LEVELS_16, HALF_SIZE_16 };

static uint16_t *take_plane(Input *in, int64_t count, uint32_t most) {
    uint16_t *plane = new_block(count * 2);
    fill_noise(plane, count, most, (uint32_t)take(in, 0, 255));
    for (int64_t i = 0; i < count && bytes_left(in) > 0; i++)
        plane[i] = (uint16_t)take(in, 0, most);
    return plane;
}

TARGET {
    Input in = {bytes, bytes + size};
    begin_run();
    int64_t kind = take(&in, QUARTERS_8, HALF_SIZE_16);
    int64_t height = take(&in, 1, MOST_SIDE), width = take(&in, 1, MOST_SIDE);
    int64_t count = height * width;
    uint32_t most = kind == QUARTERS_8 ? FULL_8 : FULL_16;
    int64_t chroma = kind == HALF_SIZE_16 ? ((height + 1) / 2) * ((width + 1) / 2) : count;
    /* Chroma first: it is smaller, and extremes of it are what lies near an overflow. */
    uint16_t *cb = take_plane(&in, chroma, most), *cr = take_plane(&in, chroma, most);
    uint16_t *y = take_plane(&in, count, most);
    int64_t bytes_out = 3 * count * (kind == QUARTERS_8 ? 1 : 2);
    void *pixels = new_block(bytes_out);
    int64_t result = kind == QUARTERS_8  ? rk_planes_merge_444_u8(y, cb, cr, count, pixels)
                     : kind == LEVELS_16 ? rk_planes_merge_444_u16(y, cb, cr, count, pixels)
                                         : rk_planes_merge_420(y, cb, cr, height, width, pixels);
    if (succeeded(result)) observe(pixels, bytes_out);
    free_blocks();
    return 0;
}
