/* The decoder of coded matrices. Time and memory depend on its shape alone, whatever the stream. */
#include "../rans_decoder.h"
#include "contexts.h"

typedef struct {
    RansDecoder decoder;
    i64 value;
} RareValue;

/* Take the raw bits behind a symbol with ENTRY_RARE. The decoder goes in and out by value: its
 * address would keep it out of registers for all the symbols that are not rare. */
OUTLINE RareValue take_rare(RansDecoder decoder, u32 entry, u32 symbol, i64 shift) {
    i64 magnitude = (symbol + 1) >> 1;
    int negative = !(symbol & 1);
    if (entry & ENTRY_ESCAPE) {
        i64 head = take_bits(&decoder, LENGTH_AND_SIGN_BITS);
        i64 length = head >> 1;
        magnitude = (symbol >> 1) + (1ll << length) + take_bits(&decoder, length);
        negative = head & 1;
    }
    i64 value = negative ? -magnitude : magnitude;
    if (shift > 0) {
        i64 low = take_bits(&decoder, shift);
        value = value * (1ll << shift) + low - (1ll << shift >> 1);
    }
    return (RareValue){decoder, clamp_i64(value, -MAX_VALUE, MAX_VALUE)};
}

/* Classes of the small contexts. */
typedef struct {
    u8 of[SMALL];
} ClassTable;

static void fill_class_table(ClassTable *table) {
    for (int w = 0; w < EXACT_CLASSES; w++) table->of[w] = (u8)w;
    int class = EXACT_CLASSES;
    for (int start = EXACT_CLASSES; start < SMALL; start *= 2)
        for (int quarter = 0; quarter < 4; quarter++, class++)
            for (int k = 0; k < start / 4; k++)
                table->of[start + quarter * (start / 4) + k] = (u8)class;
}

INLINE i64 class_of(const ClassTable *table, i32 context) {
    if (LIKELY((u32)context < SMALL)) return table->of[context];
    int octave = 31 - __builtin_clz((u32)context);
    return min_i64(FIRST_LARGE + octave - SMALL_BITS, CLASSES - 1);
}

int64_t rk_svd_decode(const uint8_t *data, int64_t start, int64_t end, int64_t *states,
                      const int64_t *parameters, const uint8_t *lookup, const uint32_t *entries,
                      int64_t first, int64_t last, int64_t length, int32_t *scratch,
                      int32_t *values) {
    static const u8 NO_WORDS[2];
    const ClassParameters *of_class = (const ClassParameters *)parameters;
    i64 bytes = end - start;
    RansDecoder d = {
        .state = (u32)states[0],
        .other = (u32)states[1],
        .data = bytes >= 2 ? data + start : NO_WORDS,
        .last = max_i64(bytes - 2, 0),
    };
    ClassTable table;
    fill_class_table(&table);
    Columns c = start_columns(scratch, length, first);
    for (i64 k = first; k < last; k++, next_column(&c)) {
        for (i64 block = 0; block < c.blocks; block++) {
            i32 sums[BLOCK];
            sums_before(&c, block, sums);
            i64 width = min_i64(BLOCK, length - block * BLOCK);
            i32 *to = values + k * length + block * BLOCK, *magnitudes = c.now + block_at(block);
            i32 below = 0, before = 0;
            for (i64 f = 0; f < width; f++) {
                i64 class = class_of(&table, sums[f] + 2 * below + before);
                u32 symbol = lookup[class * SLOTS + (d.state & (SLOTS - 1))];
                u32 entry = entries[class * SYMBOLS + symbol];
                drop_symbol(&d, entry);
                before = below;
                below = (i32)(symbol + 1) >> 1;
                i32 value = symbol & 1 ? below : -below;
                if (UNLIKELY(entry & ENTRY_RARE)) {
                    RareValue rare = take_rare(d, entry, symbol, of_class[class].shift);
                    d = rare.decoder;
                    value = (i32)rare.value;
                    below = min_i32(abs_i32(value), CAP);
                }
                swap_states(&d);
                to[f] = value;
                magnitudes[f] = below;
            }
            if (d.position > bytes) return RK_ERROR_STREAM;
        }
    }
    states[0] = d.state;
    states[1] = d.other;
    return d.position == bytes ? RK_OK : RK_ERROR_STREAM;
}

int64_t rk_svd_decode_bands(const uint8_t *data, const int64_t *ends, int64_t bands,
                            int64_t *states, const int64_t *parameters, const uint8_t *lookup,
                            const uint32_t *entries, int64_t length, int32_t *scratch,
                            int32_t *values) {
    i64 result = RK_OK, first = 0, start = 0;
    for (i64 band = 0; result >= 0 && band < bands; band++, ends += 2) {
        /* A band that adds no columns has no words. */
        if (ends[0] > first)
            result = rk_svd_decode(data, start, ends[1], states, parameters, lookup, entries,
                                   first, ends[0], length, scratch, values);
        first = ends[0];
        start = ends[1];
    }
    return result;
}
