/* Levels of the code of gan.
 *
 * Python makes the table of channels and the models from a model file, which it has checked: 1 to
 * 64 channels of luma and of chroma, first probabilities of 64 to 65471. The sides follow from
 * the shape of the picture.
 */
#include "harness.h"

enum {
    MOST_SIDE = 6,
    MOST_PLANE = 64,
    BANDS = 5,
    SHARED_MODELS = 5 + 3 * BANDS * 3 * 2,
    CHANNEL_MODELS = 6 * 5 + 6 * 12 + 3 * 3,
};

/* rankcast.codec.gan.layout.channel_table. */
static int64_t *new_table(int64_t luma, int64_t chroma) {
    static const int64_t edges[BANDS] = {1, 6, 15, 28, 64};
    int64_t *table = new_block((luma + 2 * chroma) * 3 * 8), *row = table;
    for (int64_t plane = 0; plane < 3; plane++) {
        for (int64_t i = 0; i < (plane ? chroma : luma); i++, row += 3) {
            int64_t band = 0;
            while (i >= edges[band]) band++;
            row[0] = plane;
            row[1] = band;
            row[2] = plane && i < luma ? i : -1;
        }
    }
    return table;
}

TARGET {
    Input in = {bytes, bytes + size};
    begin_run();
    int64_t luma = take(&in, 1, MOST_PLANE), chroma = take(&in, 1, MOST_PLANE);
    int64_t channels = luma + 2 * chroma, rows = take(&in, 1, MOST_SIDE);
    int64_t columns = take(&in, 1, MOST_SIDE), prior = take(&in, 64, 65471);
    int64_t *table = new_table(luma, chroma), models = SHARED_MODELS + channels * CHANNEL_MODELS;
    int64_t *state = new_coder(models);
    for (int64_t i = 0; i < models; i++) state[REGISTERS + i] = prior | prior << 16 | 24ll << 32;
    int64_t count = rows * columns * channels, data_size = bytes_left(&in);
    uint8_t *data = take_bytes(&in, &data_size);
    int32_t *levels = new_zeros(count * 4);
    uint16_t *coded = new_block(rows * columns * 2);
    if (succeeded(rk_gan_decode(state, data, data_size, levels, coded, rows, columns, table,
                                channels)))
        observe(levels, count * 4);
    for (int64_t i = 0; i < count; i++) REQUIRE(abs(levels[i]) <= 1 << 19);
    free_blocks();
    return 0;
}
