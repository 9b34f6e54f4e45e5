/* The start of a decoder and single symbols; every other target goes through both as well.
 *
 * Python calls rk_range_code in tests of the coder alone, with contexts of the coder's models.
 */
#include "harness.h"

enum { MODELS = 32, MOST_PLAIN_BITS = 40, MOST_SYMBOLS = 512, OVERRUN = 8 };

TARGET {
    Input in = {bytes, bytes + size};
    begin_run();
    int64_t count = take(&in, 0, MOST_SYMBOLS), start = take(&in, 0, 4);
    int64_t *contexts = new_block(count * 8), *values = new_zeros(count * 8);
    for (int64_t i = 0; i < count; i++) {
        int64_t kind = take(&in, 0, MODELS + MOST_PLAIN_BITS - 1);
        contexts[i] = kind < MODELS ? kind : MODELS - 1 - kind;
    }
    int64_t end = bytes_left(&in);
    uint8_t *data = take_bytes(&in, &end);
    if (start > end) start = end;
    int64_t *state = new_coder(MODELS);
    succeeded(rk_range_start_decoder(state, data, start, end));
    if (succeeded(rk_range_code(state, data, contexts, values, count))) observe(values, count * 8);
    for (int64_t i = 0; i < count; i++) {
        int64_t bits = contexts[i] < 0 ? -contexts[i] : 1;
        REQUIRE(values[i] >= 0 && values[i] >> bits == 0);
    }
    for (int64_t context = 0; context < MODELS; context++) {
        float cost = 0;
        rk_range_cost(state, context, 1, &cost);
        REQUIRE(cost >= 0 && cost < 17);
    }
    free_blocks();
    return 0;
}
