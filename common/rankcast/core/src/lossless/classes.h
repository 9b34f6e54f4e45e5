/* Distributions of the prediction errors: one of 64 symbols for each class, learnt on the way.
 *
 * Both ends count symbols and rebuild the table of a class after the same number of them, first
 * often, then every thousand: between two rebuilds a table is fixed, so that a symbol costs both
 * ends a look-up, and counts tell the probabilities of noise more exactly than an adaptive bit.
 */
#ifndef RK_LOSSLESS_CLASSES_H
#define RK_LOSSLESS_CLASSES_H

#include "../rans.h"
#include "prediction.h"

enum {
    ERROR_CLASSES = KINDS * ENERGIES,
    ESCAPE = SYMBOLS - 1, /* the others are the values 0, +1, -1, ... +31, -31 */
    MOST_RAW_BITS = PROBABILITY_BITS,
    COUNT_STEP = 16, /* of a symbol that occurred; a prior has fractions of it */
    PRIOR = 48 * COUNT_STEP,
    FIRST_PERIOD = 16,
    LAST_PERIOD = 1024,
    /* Where counts are halved: LAST_PERIOD steps more still fit 16 bits. */
    MOST_COUNTED = 3072 * COUNT_STEP,
};

typedef struct {
    u32 entries[SYMBOLS]; /* frequency, and start from bit ENTRY_START_SHIFT on */
    u16 counts[SYMBOLS];
    i32 left, period; /* symbols until the next table, and between the two */
} ErrorClass;

/* Filled in words of eight symbols: the last one may lie behind the end. */
typedef struct {
    u8 symbol[SLOTS + 8];
} Lookup;

/* Low bits of an error that are noise: below a fifth of the error to expect. */
INLINE i64 raw_bits_of(i64 energy) {
    i64 octave = (energy - 1) >> 1;
    return clamp_i64(octave - 4, 0, MOST_RAW_BITS);
}

/* Counts before the first symbol: a two-sided geometric distribution whose mean is about what the
 * energy tells. */
static void start_counts(ErrorClass *class, i64 energy) {
    i64 octave = max_i64(energy - 1, 0) >> 1;
    i64 local = energy == 0 ? 0 : (2 + (~energy & 1)) << octave >> 1;
    local >>= raw_bits_of(energy);
    i64 ratio = 256 * (local + 1) / (local + 7); /* from one magnitude to the next */
    i64 count = (PRIOR << 8) * (256 - ratio) / (256 + ratio);
    for (int symbol = 0; symbol < ESCAPE; symbol += 2) {
        class->counts[symbol] = (u16)(count >> 8);
        count = count * ratio >> 8;
        class->counts[symbol + 1] = (u16)(count >> 8);
    }
    class->counts[ESCAPE] = COUNT_STEP / 2;
}

static void fill_lookup(const ErrorClass *class, Lookup *lookup) {
    typedef u64 u64_any __attribute__((aligned(1), may_alias));
    u32 place = 0;
    for (u32 symbol = 0; symbol < SYMBOLS; symbol++) {
        u32 end = place + (class->entries[symbol] & ENTRY_MASK);
        for (u32 at = place; at < end; at += 8)
            *(u64_any *)(lookup->symbol + at) = 0x0101010101010101u * symbol;
        place = end;
    }
}

/* Shares of SLOTS by the counts, rounded down but not to zero; the most frequent symbol takes what
 * is left, or gives what is missing: it has at least a 64th. A symbol without a count has no share
 * and is escaped. */
OUTLINE void rebuild_class(ErrorClass *class, i64 energy, Lookup *lookup) {
    if (class->period == 0) {
        start_counts(class, energy);
        class->period = FIRST_PERIOD;
    } else {
        class->period = min_i32(2 * class->period, LAST_PERIOD);
    }
    class->left = class->period;
    u16 *counts = class->counts;
    u32 total = 0, left = SLOTS, start = 0;
    for (int symbol = 0; symbol < SYMBOLS; symbol++) total += counts[symbol];
    if (total > MOST_COUNTED) {
        total = 0;
        for (int symbol = 0; symbol < SYMBOLS; symbol++) total += counts[symbol] >>= 1;
    }
    /* Whoever has never seen an escape must still be able to send one. */
    if (counts[ESCAPE] == 0) {
        counts[ESCAPE] = 1;
        total++;
    }
    u32 scale = (SLOTS << 16) / total, most = 0, favourite = 0;
    for (u32 symbol = 0; symbol < SYMBOLS; symbol++) {
        u32 share = counts[symbol] * scale >> 16;
        share = share == 0 && counts[symbol] > 0 ? 1 : share;
        class->entries[symbol] = share;
        left -= share;
        favourite = counts[symbol] > most ? symbol : favourite;
        most = counts[symbol] > most ? counts[symbol] : most;
    }
    class->entries[favourite] += left;
    for (int symbol = 0; symbol < SYMBOLS; symbol++) {
        u32 share = class->entries[symbol];
        class->entries[symbol] = share | start << ENTRY_START_SHIFT;
        start += share;
    }
    if (lookup) fill_lookup(class, lookup);
}

#endif
