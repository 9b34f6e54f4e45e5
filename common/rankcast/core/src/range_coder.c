/* Begin and end of a range-coded stream; see range_coder.h. */
#include "range_coder.h"

static void reset(i64 *state) {
    CLEAR(state, REGISTERS * sizeof(i64));
    state[REGISTER_RANGE] = RANGE_TOP - 1;
}

int64_t rk_range_start_encoder(int64_t *state, int64_t capacity_bytes) {
    reset(state);
    state[REGISTER_END] = capacity_bytes;
    return RK_OK;
}

int64_t rk_range_start_decoder(int64_t *state, const uint8_t *data, int64_t start, int64_t end) {
    reset(state);
    state[REGISTER_DECODING] = 1;
    state[REGISTER_POSITION] = start;
    state[REGISTER_END] = end;
    RangeCoder c = load_coder(state, (u8 *)data);
    for (int i = 0; i < 5; i++) read_byte(&c);
    store_coder(&c);
    return RK_OK;
}

int64_t rk_range_code(int64_t *state, uint8_t *data, const int64_t *contexts, int64_t *values,
                      int64_t count) {
    RangeCoder c = load_coder(state, data);
    for (i64 i = 0; i < count; i++)
        values[i] = contexts[i] < 0 ? code_bits(&c, -contexts[i], values[i])
                                    : code_bit(&c, REGISTERS + contexts[i], (int)values[i]);
    store_coder(&c);
    return c.overrun ? RK_ERROR_SPACE : RK_OK;
}

int64_t rk_range_cost(const int64_t *state, int64_t context, int64_t bit, float *bits) {
    RangeCoder c = load_coder((i64 *)state, NULL);
    *bits = bit_cost(&c, REGISTERS + context, (int)bit);
    return RK_OK;
}

int64_t rk_range_finish_encoder(int64_t *state, uint8_t *data) {
    RangeCoder c = load_coder(state, data);
    /* The number with the most trailing zeros inside [low, low + range). */
    for (int shift = 39; shift >= 0; shift--) {
        u64 value = (c.low + (1ull << shift) - 1) >> shift << shift;
        if (value < c.low + c.range) {
            c.low = value;
            break;
        }
    }
    /* Six shifts: five push out the register, one the cached byte. */
    for (int i = 0; i < 6; i++) shift_low(&c);
    i64 least = max_i64(c.position - MAX_INVENTED_BYTES + 1, 0);
    while (c.position > least && data[c.position - 1] == 0) c.position--;
    store_coder(&c);
    return c.overrun ? RK_ERROR_SPACE : c.position;
}
