/* A range-coded stream that one call writes or reads from its first bit to its last.
 *
 * Its models begin fresh and are forgotten at the end, so that the state fits into an array of the
 * caller's stack: ADAPTIVE_STATE(models) numbers.
 */
#ifndef RK_WHOLE_STREAM_H
#define RK_WHOLE_STREAM_H

#include "range_coder.h"

#define ADAPTIVE_STATE(models) (REGISTERS + (models))
/* Both estimates say one half, and no bit has been seen. */
#define FRESH_MODEL (MODEL_ONE / 2 | (i64)(MODEL_ONE / 2) << 16)

INLINE void begin_models(i64 *state, i64 models) {
    for (i64 i = 0; i < models; i++) state[REGISTERS + i] = FRESH_MODEL;
}

INLINE RangeCoder begin_writing(i64 *state, i64 models, u8 *data, i64 capacity_bytes) {
    begin_models(state, models);
    rk_range_start_encoder(state, capacity_bytes);
    return load_coder(state, data);
}

INLINE RangeCoder begin_reading(i64 *state, i64 models, const u8 *data, i64 size_bytes) {
    begin_models(state, models);
    rk_range_start_decoder(state, data, 0, size_bytes);
    return load_coder(state, (u8 *)data);
}

/* Bytes of the stream, or RK_ERROR_SPACE. */
INLINE i64 end_writing(const RangeCoder *c) {
    store_coder(c);
    return rk_range_finish_encoder(c->state, c->data);
}

/* RK_ERROR_STREAM where the stream ended before its last symbol, or goes on behind it. */
INLINE i64 end_reading(const RangeCoder *c) {
    return c->overrun || c->position < c->end ? RK_ERROR_STREAM : RK_OK;
}

#endif
