/* The levels of a code, position by position, written or read. */

INLINE i32 code_level_as(RangeCoder *c, const int decoding, const Position *at, i64 channel) {
    LevelContexts contexts = level_contexts(at, channel);
    i64 level = at->levels[channel];
    if (!code_bit_as(c, decoding, contexts.significance, level != 0)) return 0;
    i64 size = 1 + code_size_as(c, decoding, contexts.size, abs_i64(level) - 1);
    int negative = code_bit_as(c, decoding, contexts.sign, level < 0);
    return (i32)(negative ? -size : size);
}

/* Write the levels of a position, of which the bands `coded` are not zero, or read them. */
INLINE void code_position_as(RangeCoder *c, const int decoding, const Position *at, u16 coded) {
    const Code *code = at->code;
    if (!code_bit_as(c, decoding, block_context(at), coded != 0)) return;
    int coded_before = 1;
    for (i64 b = 0; b < code->band_count; b++) {
        const Band *band = &code->bands[b];
        i64 context = band_context(at, band, coded_before);
        coded_before = code_bit_as(c, decoding, context, coded >> band->number & 1);
        if (!coded_before) continue;
        for (i64 channel = band->first; channel < band->last; channel++) {
            i32 level = code_level_as(c, decoding, at, channel);
            if (decoding) at->levels[channel] = level;
        }
    }
}

static void encode_levels(RangeCoder *c, const Code *code, const f32 *values, f32 price) {
    Position at;
    for (i64 row = 0; row < code->rows && !c->overrun; row++) {
        for (i64 column = 0; column < code->columns; column++) {
            i64 place = row * code->columns + column;
            enter_position(&at, code, row, column);
            choose_levels(c, &at, values + place * code->channels, price);
            code->coded[place] = coded_bands(code, at.levels);
            code_position_as(c, 0, &at, code->coded[place]);
        }
    }
}

static void decode_levels(RangeCoder *c, const Code *code) {
    Position at;
    for (i64 row = 0; row < code->rows && !c->overrun; row++) {
        for (i64 column = 0; column < code->columns; column++) {
            enter_position(&at, code, row, column);
            code_position_as(c, 1, &at, 0);
            /* A stream may call bands coded that are zero. */
            code->coded[row * code->columns + column] = coded_bands(code, at.levels);
        }
    }
}

int64_t rk_gan_encode(int64_t *state, uint8_t *data, int64_t capacity_bytes, const float *values,
                      int32_t *levels, uint16_t *coded, int64_t rows, int64_t columns,
                      const int64_t *table, int64_t channels, float price) {
    if (channels > MOST_CHANNELS) return RK_ERROR_STREAM;
    Code code = {levels, coded, table, rows, columns, channels, 0, {{0}}};
    find_bands(&code);
    rk_range_start_encoder(state, capacity_bytes);
    RangeCoder c = load_coder(state, data);
    encode_levels(&c, &code, values, price);
    return end_writing(&c);
}

int64_t rk_gan_decode(int64_t *state, const uint8_t *data, int64_t size_bytes, int32_t *levels,
                      uint16_t *coded, int64_t rows, int64_t columns, const int64_t *table,
                      int64_t channels) {
    if (channels > MOST_CHANNELS) return RK_ERROR_STREAM;
    Code code = {levels, coded, table, rows, columns, channels, 0, {{0}}};
    find_bands(&code);
    rk_range_start_decoder(state, data, 0, size_bytes);
    RangeCoder c = load_coder(state, (u8 *)data);
    decode_levels(&c, &code);
    return end_reading(&c);
}
