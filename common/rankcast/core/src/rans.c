/* Tables of rANS, statistics of the values, and the encoder; see rans.h. */
#include "rans.h"

/* Pairs of symbols besides the one of the value 0 and the escape. */
enum { LARGEST = (SYMBOLS - 2) / 2 };

/* The part of a value that is a symbol: rounded to a multiple of 2^shift, symmetric to 0. */
INLINE i64 symbol_value(i64 value, i64 shift) { return (value + (1ll << shift >> 1)) >> shift; }

INLINE i64 symbol_of(i64 value) { return 2 * abs_i64(value) - (value > 0); }

static int is_allowed(const ClassParameters *p) {
    return p->zero >= 1 && p->zero < SLOTS && p->pair >= 0 && p->pair <= 255 && p->decay >= 1
        && p->decay <= 255 && p->shift >= 0 && p->shift <= MAX_SHIFT;
}

static void fill_frequencies(const ClassParameters *p, u16 frequencies[SYMBOLS]) {
    i64 left = SLOTS - p->zero, pair = left * p->pair >> 8;
    int symbol = 1;
    frequencies[0] = (u16)p->zero;
    for (; pair >= 2 && symbol < 2 * LARGEST; symbol += 2) {
        frequencies[symbol] = frequencies[symbol + 1] = (u16)(pair >> 1);
        left -= (pair >> 1) * 2;
        pair = left * (256 - p->decay) >> 8;
    }
    /* Both shares round down, so that something is always left for the escape. */
    frequencies[symbol] = (u16)left;
}

int64_t rk_rans_frequencies(const int64_t *parameters, const uint8_t *used, uint16_t *frequencies) {
    const ClassParameters *of_class = (const ClassParameters *)parameters;
    CLEAR(frequencies, CLASSES * SYMBOLS * sizeof(u16));
    for (int c = 0; c < CLASSES; c++) {
        if (!used[c]) continue;
        if (!is_allowed(&of_class[c])) return RK_ERROR_STREAM;
        fill_frequencies(&of_class[c], frequencies + c * SYMBOLS);
    }
    return RK_OK;
}

int64_t rk_rans_count(const int32_t *values, const uint8_t *classes, int64_t size,
                      const int64_t *shifts, int64_t *counts) {
    for (i64 i = 0; i < size; i++) {
        i64 c = classes[i] & (CLASSES - 1);
        i64 magnitude = abs_i64(symbol_value(values[i], shifts[c]));
        counts[4 * c + min_i64(magnitude, 2)]++;
        counts[4 * c + 3] += magnitude;
    }
    return RK_OK;
}

/* Decoder -------------------------------------------------------------------------------------- */

int64_t rk_rans_build_decoder(const int64_t *parameters, const uint16_t *frequencies,
                              uint8_t *lookup, uint32_t *entries) {
    const ClassParameters *of_class = (const ClassParameters *)parameters;
    for (int c = 0; c < CLASSES; c++, lookup += SLOTS, entries += SYMBOLS) {
        u32 start = 0, last = 0;
        for (u32 symbol = 0; symbol < SYMBOLS; symbol++) {
            u32 frequency = (u32)min_i32(frequencies[c * SYMBOLS + symbol], (i32)(SLOTS - start));
            if (frequency > 0) last = symbol;
            for (u32 k = 0; k < frequency; k++) lookup[start + k] = (u8)symbol;
            entries[symbol] = frequency | start << ENTRY_START_SHIFT;
            if (of_class[c].shift > 0) entries[symbol] |= ENTRY_RARE;
            start += frequency;
        }
        entries[last] |= ENTRY_RARE | ENTRY_ESCAPE;
        /* Damaged streams use classes that have no table: to them all is an escape of no width. */
        CLEAR(lookup + start, SLOTS - start);
    }
    return RK_OK;
}

/* Encoder -------------------------------------------------------------------------------------- */

/* A division by a frequency f as a product and a shift (Granlund and Montgomery 1994), exact for
 * dividends below 2^31: floor(x / f) = x * ceil(2^(31 + e) / f) >> (31 + e) with 2^e >= f. */
typedef struct {
    u32 reciprocal;
    u32 frequency : 13;
    u32 start : 12;
    u32 exponent : 4;
} CodedSymbol;

typedef struct {
    CodedSymbol symbols[CLASSES][SYMBOLS];
    u8 escape[CLASSES];
} EncoderTables;

static void build_encoder(const u16 *frequencies, EncoderTables *tables) {
    for (int c = 0; c < CLASSES; c++, frequencies += SYMBOLS) {
        u32 start = 0;
        tables->escape[c] = 0;
        for (int symbol = 0; symbol < SYMBOLS; symbol++) {
            u32 frequency = frequencies[symbol], exponent = 0;
            if (frequency == 0) continue;
            while (1u << exponent < frequency) exponent++;
            u64 reciprocal = ((1ull << (STATE_BITS + exponent)) + frequency - 1) / frequency;
            tables->symbols[c][symbol] = (CodedSymbol){
                .reciprocal = (u32)reciprocal,
                .frequency = frequency,
                .start = start,
                .exponent = exponent,
            };
            tables->escape[c] = (u8)symbol;
            start += frequency;
        }
    }
}

/* Raw bits of one value, in the order of the decoder. */
typedef struct {
    u32 bits[WORDS_PER_VALUE];
    u32 lengths[WORDS_PER_VALUE];
    int count;
} RawParts;

static void add_part(RawParts *parts, i64 bits, i64 length) {
    parts->bits[parts->count] = (u32)(bits & ((1ll << length) - 1));
    parts->lengths[parts->count++] = (u32)length;
}

static void add_bits(RawParts *parts, i64 bits, i64 length) {
    for (; length > 0; bits >>= PART_BITS, length -= PART_BITS)
        add_part(parts, bits, min_i64(length, PART_BITS));
}

/* Length and sign of how far a magnitude lies beyond the last pair, at least 1 since the value 0
 * never escapes; then its bits below the top. */
static void add_escape(RawParts *parts, i64 excess, int negative) {
    i64 length = 63 - __builtin_clzll((u64)excess | 1);
    add_part(parts, length * 2 + negative, LENGTH_AND_SIGN_BITS);
    add_bits(parts, excess - (1ll << length), length);
}

typedef struct {
    u32 state, other;
    u16 *words;
    i64 position; /* of the last word written: a decoder reads what was written last first */
} RansEncoder;

INLINE void shrink(RansEncoder *e, u32 limit) {
    if (e->state >= limit) {
        e->words[--e->position] = (u16)e->state;
        e->state >>= WORD_BITS;
    }
}

INLINE void put_symbol(RansEncoder *e, CodedSymbol s) {
    shrink(e, s.frequency << (STATE_BITS - PROBABILITY_BITS));
    u32 quotient = (u32)((u64)e->state * s.reciprocal >> (STATE_BITS + s.exponent));
    e->state = (quotient << PROBABILITY_BITS) + (e->state - quotient * s.frequency) + s.start;
}

/* Write the raw bits that follow a symbol: those of an escape, then the ones below the shift. The
 * encoder goes in and out by value: its address would keep it out of registers for all other
 * values. */
OUTLINE RansEncoder put_raw_bits(RansEncoder e, i64 value, i64 shift, i64 escape) {
    RawParts parts = {.count = 0};
    i64 shifted = symbol_value(value, shift), excess = abs_i64(shifted) - (escape >> 1);
    if (symbol_of(shifted) >= escape) add_escape(&parts, excess, shifted < 0);
    add_bits(&parts, value + (1ll << shift >> 1), shift);
    while (parts.count-- > 0) {
        u32 length = parts.lengths[parts.count];
        shrink(&e, 1u << (STATE_BITS - length));
        e.state = e.state << length | parts.bits[parts.count];
    }
    return e;
}

int64_t rk_rans_encode(const int32_t *values, const uint8_t *classes, int64_t size,
                       const int64_t *parameters, const uint16_t *frequencies, uint16_t *words,
                       int64_t capacity, int64_t *states) {
    const ClassParameters *of_class = (const ClassParameters *)parameters;
    EncoderTables tables;
    build_encoder(frequencies, &tables);
    /* The states take turns: the second one is due for the value before those coded so far. */
    RansEncoder e = {
        .state = (u32)states[1],
        .other = (u32)states[0],
        .words = words,
        .position = capacity,
    };
    for (i64 i = size - 1; i >= 0; i--) {
        if (e.position < WORDS_PER_VALUE) return RK_ERROR_SPACE;
        i64 c = classes[i] & (CLASSES - 1), shift = of_class[c].shift, escape = tables.escape[c];
        i64 symbol = symbol_of(symbol_value(values[i], shift));
        if (UNLIKELY(symbol >= escape || shift > 0)) {
            e = put_raw_bits(e, values[i], shift, escape);
            symbol = min_i64(symbol, escape);
        }
        put_symbol(&e, tables.symbols[c][symbol]);
        u32 state = e.state;
        e.state = e.other;
        e.other = state;
    }
    /* The value of index 0 was the last one, and its state was swapped away. */
    states[0] = e.other;
    states[1] = e.state;
    return e.position;
}
