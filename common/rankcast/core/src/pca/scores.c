/* Scores of a whole picture, in multiples of a step: numbers with a set of models for each class of
 * size, which both ends know from the variances of the model file. */
#include "../numbers.h"
#include "../whole_stream.h"

enum { SCORE_CLASSES = 16, SCORE_MODELS = SCORE_CLASSES * NUMBER_MODELS };

INLINE void code_scores(RangeCoder *c, const int decoding, i64 *values, const u8 *classes,
                        i64 count) {
    for (i64 i = 0; i < count && !c->overrun; i++) {
        i64 class = min_i64(classes[i], SCORE_CLASSES - 1);
        i64 value = code_number_as(c, decoding, REGISTERS + class * NUMBER_MODELS, values[i]);
        if (decoding) values[i] = value;
    }
}

int64_t rk_pca_pack_scores(const int64_t *values, const uint8_t *classes, int64_t count,
                           uint8_t *data, int64_t capacity_bytes) {
    i64 state[ADAPTIVE_STATE(SCORE_MODELS)];
    RangeCoder c = begin_writing(state, SCORE_MODELS, data, capacity_bytes);
    code_scores(&c, 0, (i64 *)values, classes, count);
    return end_writing(&c);
}

int64_t rk_pca_unpack_scores(const uint8_t *data, int64_t size_bytes, const uint8_t *classes,
                             int64_t count, int64_t *values) {
    i64 state[ADAPTIVE_STATE(SCORE_MODELS)];
    RangeCoder c = begin_reading(state, SCORE_MODELS, data, size_bytes);
    code_scores(&c, 1, values, classes, count);
    return end_reading(&c);
}
