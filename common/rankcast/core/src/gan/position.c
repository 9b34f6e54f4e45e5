/* A position of the code and what is known around it: which adaptive model a symbol takes. */

static const i32 NOTHING[MOST_CHANNELS]; /* levels beyond the edge */

typedef struct {
    const Code *code;
    i32 *levels;
    const i32 *left, *up;
    u16 coded_left, coded_up;
    i64 coded_around; /* positions of the four around, 0 to 4 */
    /* Of each channel: twice the magnitudes left and up, once those of the upper diagonals. */
    i32 around[MOST_CHANNELS];
} Position;

INLINE void enter_position(Position *at, const Code *code, i64 row, i64 column) {
    i64 channels = code->channels, place = row * code->columns + column;
    i32 *levels = code->levels + place * channels;
    const u16 *coded = code->coded + place;
    i64 above = code->columns;
    int has_left = column > 0, has_up = row > 0;
    int has_up_left = has_up && has_left, has_up_right = has_up && column + 1 < code->columns;
    const i32 *up_left = has_up_left ? levels - (above + 1) * channels : NOTHING;
    const i32 *up_right = has_up_right ? levels - (above - 1) * channels : NOTHING;
    at->code = code;
    at->levels = levels;
    at->left = has_left ? levels - channels : NOTHING;
    at->up = has_up ? levels - above * channels : NOTHING;
    at->coded_left = has_left ? coded[-1] : 0;
    at->coded_up = has_up ? coded[-above] : 0;
    at->coded_around = (at->coded_left != 0) + (at->coded_up != 0) +
                       (has_up_left && coded[-above - 1]) + (has_up_right && coded[1 - above]);
    for (i64 channel = 0; channel < channels; channel++)
        at->around[channel] = 2 * (abs_i32(at->left[channel]) + abs_i32(at->up[channel])) +
                              abs_i32(up_left[channel]) + abs_i32(up_right[channel]);
}

/* Magnitudes at this position: of the two channels before, and of Y at the same frequency. */
INLINE i32 inside_of(const Position *at, i64 channel) {
    const i64 *row = at->code->table + channel * TABLE_COLUMNS;
    const i64 *one_before = row - TABLE_COLUMNS, *two_before = one_before - TABLE_COLUMNS;
    i32 total = 0;
    if (channel > 0 && one_before[TABLE_PLANE] == row[TABLE_PLANE]) {
        total += 2 * abs_i32(at->levels[channel - 1]);
        if (channel > 1 && two_before[TABLE_PLANE] == row[TABLE_PLANE])
            total += abs_i32(at->levels[channel - 2]);
    }
    if (row[TABLE_SAME] >= 0) total += abs_i32(at->levels[row[TABLE_SAME]]);
    return total;
}

/* 0, 1, 2, 3 to 4, 5 to 8, more. */
INLINE i64 size_class(i32 total) {
    return total <= 2 ? total : total <= 4 ? 3 : total <= 8 ? 4 : 5;
}

INLINE i64 block_context(const Position *at) { return BLOCK_MODELS + at->coded_around; }

INLINE i64 band_context(const Position *at, const Band *band, int coded_before) {
    i64 near = (at->coded_left >> band->number & 1) + (at->coded_up >> band->number & 1);
    return BAND_MODELS + (band->number * 3 + near) * 2 + coded_before;
}

/* Models of the level of a channel: is it 0, how large is it, and its sign. */
typedef struct {
    i64 significance, size, sign;
} LevelContexts;

INLINE i64 sign_class(i32 level) { return 1 + (level > 0) - (level < 0); }

INLINE LevelContexts level_contexts(const Position *at, i64 channel) {
    i64 base = CHANNEL_MODELS + channel * MODELS_A_CHANNEL;
    i64 left = sign_class(at->left[channel]), up = sign_class(at->up[channel]);
    i32 around = at->around[channel], inside = inside_of(at, channel);
    i64 inside_class = min_i64(size_class(inside), INSIDE_CLASSES - 1);
    return (LevelContexts){
        .significance = base + size_class(around) * INSIDE_CLASSES + inside_class,
        .size = base + LEVEL_MODELS + size_class((around + inside) >> 1) * BINS,
        .sign = base + SIGN_MODELS + left * 3 + up,
    };
}
