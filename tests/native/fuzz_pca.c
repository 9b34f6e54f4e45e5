/* Statistics and scores of pca; its factors are those of svd.
 *
 * Python derives the widths from the shape and the classes, 0 to 15, from the model, and has
 * checked that there are no more scores than components.
 */
#include "harness.h"

enum { MOST_PLANES = 4, MOST_WIDTH = 80, MOST_SCORES = 400, CLASSES = 16 };

static void read_statistics(Input *in) {
    int64_t planes = take(in, 1, MOST_PLANES), most = take(in, 0, 1) ? 4 * 65535 : 16 * 255;
    int64_t *widths = new_block(planes * 8), count = 0;
    for (int64_t i = 0; i < planes; i++) count += 2 * (widths[i] = take(in, 1, MOST_WIDTH));
    int64_t size = bytes_left(in);
    uint8_t *data = take_bytes(in, &size);
    int64_t *values = new_zeros(count * 8);
    if (succeeded(rk_pca_unpack_statistics(data, size, widths, planes, most, values)))
        observe(values, count * 8);
    for (int64_t i = 0; i < count; i++) REQUIRE(values[i] >= 0 && values[i] <= most);
}

static void read_scores(Input *in) {
    int64_t count = take(in, 0, MOST_SCORES), first = take(in, 0, CLASSES - 1);
    uint8_t *classes = new_block(count);
    /* Variances fall from component to component, so their classes do. */
    for (int64_t i = 0; i < count; i++) classes[i] = (uint8_t)(first > i ? first - i : 0);
    int64_t size = bytes_left(in);
    uint8_t *data = take_bytes(in, &size);
    int64_t *values = new_zeros(count * 8);
    if (succeeded(rk_pca_unpack_scores(data, size, classes, count, values)))
        observe(values, count * 8);
    for (int64_t i = 0; i < count; i++) REQUIRE(llabs(values[i]) < 1ll << 40);
}

TARGET {
    Input in = {bytes, bytes + size};
    begin_run();
    if (take(&in, 0, 1))
        read_scores(&in);
    else
        read_statistics(&in);
    free_blocks();
    return 0;
}
