/* Means and deviations of the variables of each plane, each against the variable before. */
#include "../numbers.h"
#include "../whole_stream.h"

enum { MEANS, DEVIATIONS, STATISTICS };
enum { STATISTICS_MODELS = STATISTICS * NUMBER_MODELS };

/* Write the statistics of one plane, (STATISTICS, width), or read them, clamped to 0..most. */
INLINE void code_statistics(RangeCoder *c, const int decoding, i64 *values, i64 width, i64 most) {
    i64 before[STATISTICS] = {0};
    for (i64 variable = 0; variable < width && !c->overrun; variable++) {
        for (int kind = MEANS; kind < STATISTICS; kind++) {
            i64 *value = &values[kind * width + variable];
            i64 context = REGISTERS + kind * NUMBER_MODELS;
            i64 step = code_number_as(c, decoding, context, *value - before[kind]);
            if (decoding) *value = clamp_i64(before[kind] + step, 0, most);
            before[kind] = *value;
        }
    }
}

int64_t rk_pca_pack_statistics(const int64_t *values, const int64_t *widths, int64_t planes,
                               uint8_t *data, int64_t capacity_bytes) {
    i64 state[ADAPTIVE_STATE(STATISTICS_MODELS)];
    RangeCoder c = begin_writing(state, STATISTICS_MODELS, data, capacity_bytes);
    for (i64 plane = 0; plane < planes; plane++) {
        begin_models(state, STATISTICS_MODELS);
        code_statistics(&c, 0, (i64 *)values, widths[plane], 0);
        values += STATISTICS * widths[plane];
    }
    return end_writing(&c);
}

int64_t rk_pca_unpack_statistics(const uint8_t *data, int64_t size_bytes, const int64_t *widths,
                                 int64_t planes, int64_t most, int64_t *values) {
    i64 state[ADAPTIVE_STATE(STATISTICS_MODELS)];
    RangeCoder c = begin_reading(state, STATISTICS_MODELS, data, size_bytes);
    for (i64 plane = 0; plane < planes; plane++) {
        begin_models(state, STATISTICS_MODELS);
        code_statistics(&c, 1, values, widths[plane], most);
        values += STATISTICS * widths[plane];
    }
    return end_reading(&c);
}
