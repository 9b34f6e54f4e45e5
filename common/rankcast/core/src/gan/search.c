/* Choice of levels by rate and distortion, at the price of the adaptive models as they stand. */

/* Sizes up to this round to nothing: a band of such needs no search. */
#define ALMOST_NONE 0.5f

/* Choose between zero and the two levels nearest to a value; returns the cost of the choice. */
INLINE f32 choose_level(const RangeCoder *c, const Position *at, i64 channel, f32 value,
                        f32 price) {
    LevelContexts contexts = level_contexts(at, channel);
    f32 size = __builtin_fabsf(value);
    f32 best = size * size + price * bit_cost(c, contexts.significance, 0);
    i64 nearest = (i64)(size + 0.5f), chosen = 0;
    if (nearest > 0) {
        f32 rest = bit_cost(c, contexts.significance, 1) + bit_cost(c, contexts.sign, value < 0);
        for (i64 level = max_i64(nearest - 1, 1); level <= nearest; level++) {
            f32 off = size - (f32)level;
            f32 bits = rest + size_cost(c, contexts.size, level - 1);
            f32 cost = off * off + price * bits;
            if (cost < best) {
                best = cost;
                chosen = level;
            }
        }
    }
    at->levels[channel] = (i32)(value < 0 ? -chosen : chosen);
    return best;
}

typedef struct {
    f32 zero;   /* of a position without levels */
    f32 chosen; /* of the bands as they were chosen */
} Costs;

/* Choose the levels of a band, or none at all; returns whether there are some. */
INLINE int choose_band(const RangeCoder *c, const Position *at, const f32 *values, const Band *band,
                       int coded_before, f32 price, Costs *costs) {
    i64 context = band_context(at, band, coded_before);
    f32 loss = 0, largest = 0;
    for (i64 channel = band->first; channel < band->last; channel++) {
        f32 size = __builtin_fabsf(values[channel]);
        loss += size * size;
        largest = size > largest ? size : largest;
    }
    f32 zero = loss + price * bit_cost(c, context, 0);
    costs->zero += loss;
    if (largest > ALMOST_NONE) {
        f32 cost = price * bit_cost(c, context, 1);
        i32 any = 0;
        for (i64 channel = band->first; channel < band->last; channel++) {
            cost += choose_level(c, at, channel, values[channel], price);
            any |= at->levels[channel];
        }
        if (any && cost < zero) {
            costs->chosen += cost;
            return 1;
        }
        CLEAR(at->levels + band->first, (band->last - band->first) * (i64)sizeof(i32));
    }
    costs->chosen += zero;
    return 0;
}

/* Choose the levels of a position, each band and then the whole compared with zeros alone. */
static void choose_levels(const RangeCoder *c, const Position *at, const f32 *values, f32 price) {
    const Code *code = at->code;
    Costs costs = {0, 0};
    int any_coded = 0, coded_before = 1;
    for (i64 b = 0; b < code->band_count; b++) {
        coded_before = choose_band(c, at, values, &code->bands[b], coded_before, price, &costs);
        any_coded |= coded_before;
    }
    i64 context = block_context(at);
    f32 zero = costs.zero + price * bit_cost(c, context, 0);
    if (any_coded && zero <= costs.chosen + price * bit_cost(c, context, 1))
        CLEAR(at->levels, code->channels * (i64)sizeof(i32));
}
