/* What a band says of a sample: flags of equality in drawings, then the prediction error. */
#ifndef RK_LOSSLESS_SYNTAX_H
#define RK_LOSSLESS_SYNTAX_H

#include "../range_coder.h"
#include "classes.h"
#include "records.h"

enum {
    PATTERNS = 64,
    ASKED = 3, /* neighbours that a sample may equal */
    MOST_BIAS_COUNTED = 95,
    BIAS_BITS = 8, /* of the fraction of a mean error */
    ESCAPE_LENGTH_BITS = 5,
};

typedef struct {
    u16 fast, slow, count;
} Flag;

/* The mean error of a cell. */
typedef struct {
    i32 mean, count;
} Bias;

/* What a band has learnt. */
typedef struct {
    ErrorClass classes[ERROR_CLASSES];
    Bias biases[KINDS][CELLS];
    Flag flags[KINDS][ASKED][PATTERNS];
} Learnt;

static void start_learning(Learnt *learnt) {
    CLEAR(learnt, sizeof(*learnt));
    for (int kind = 0; kind < KINDS; kind++)
        for (int which = 0; which < ASKED; which++)
            for (int pattern = 0; pattern < PATTERNS; pattern++)
                learnt->flags[kind][which][pattern] = (Flag){1 << 15, 1 << 15, 0};
}

/* Bias ----------------------------------------------------------------------------------------- */

INLINE i32 correction_of(const Bias *bias) {
    return (bias->mean + (1 << BIAS_BITS >> 1)) >> BIAS_BITS;
}

INLINE void add_error(Bias *bias, i32 error) {
    bias->mean += (error * (1 << BIAS_BITS) - bias->mean) >> slow_shift(adaptation((u32)bias->count));
    bias->count += bias->count < MOST_BIAS_COUNTED;
}

/* Flags ---------------------------------------------------------------------------------------- */

/* Of SLOTS, those of a one. */
INLINE u32 share_of_ones(const Flag *flag) {
    return (u32)clamp_i32((flag->fast + flag->slow) >> 5, 1, SLOTS - 1);
}

INLINE void add_flag(Flag *flag, int bit) {
    Adaptation how = adaptation(flag->count);
    u32 fast = fast_shift(how), slow = slow_shift(how);
    flag->fast = (u16)(bit ? flag->fast + ((MODEL_ONE - flag->fast) >> fast)
                           : flag->fast - (flag->fast >> fast));
    flag->slow = (u16)(bit ? flag->slow + ((MODEL_ONE - flag->slow) >> slow)
                           : flag->slow - (flag->slow >> slow));
    flag->count += flag->count < LAST_COUNT;
}

INLINE void put_flag(Writer *w, Flag *flag, int bit) {
    u32 ones = share_of_ones(flag);
    put_record(w, bit ? interval(0, ones) : interval(ones, SLOTS - ones));
    add_flag(flag, bit);
}

INLINE int take_flag(RansDecoder *d, Flag *flag) {
    u32 ones = share_of_ones(flag);
    int bit = slot_of(d) < ones;
    take_record(d, bit ? interval(0, ones) : interval(ones, SLOTS - ones));
    add_flag(flag, bit);
    return bit;
}

INLINE i64 pattern_of(Neighbours at) {
    return (at.w == at.n) + 2 * (at.n == at.nw) + 4 * (at.n == at.ne) + 8 * (at.w == at.nw)
        + 16 * (at.ww == at.w) + 32 * (at.nn == at.n);
}

/* Write which of three neighbours the sample equals; returns 0 if none. */
INLINE int put_same(Writer *w, Flag flags[ASKED][PATTERNS], Neighbours at, i32 actual) {
    i64 pattern = pattern_of(at);
    put_flag(w, &flags[0][pattern], actual == at.w);
    if (actual == at.w) return 1;
    if (at.n != at.w) {
        put_flag(w, &flags[1][pattern], actual == at.n);
        if (actual == at.n) return 1;
    }
    if (at.ne == at.w || at.ne == at.n) return 0;
    put_flag(w, &flags[2][pattern], actual == at.ne);
    return actual == at.ne;
}

/* Read which of three neighbours the sample equals; returns 0 if none, else sets `same`. */
INLINE int take_same(RansDecoder *d, Flag flags[ASKED][PATTERNS], Neighbours at, i32 *same) {
    i64 pattern = pattern_of(at);
    *same = at.w;
    if (take_flag(d, &flags[0][pattern])) return 1;
    *same = at.n;
    if (at.n != at.w && take_flag(d, &flags[1][pattern])) return 1;
    *same = at.ne;
    return at.ne != at.w && at.ne != at.n && take_flag(d, &flags[2][pattern]);
}

/* Errors --------------------------------------------------------------------------------------- */

INLINE void count_symbol(ErrorClass *class, i64 symbol) {
    class->counts[symbol] += COUNT_STEP;
    class->left--;
}

/* A symbol that has no share or is none: its number, plus one, behind its length. */
OUTLINE void put_escape(Writer *w, u32 escape, i64 number) {
    i64 length = 63 - __builtin_clzll((u64)number + 1);
    put_record(w, escape);
    put_raw(w, length, ESCAPE_LENGTH_BITS);
    put_long_raw(w, number + 1, length);
}

INLINE void put_error(Writer *w, ErrorClass *class, i64 energy, i32 error) {
    if (UNLIKELY(class->left == 0)) rebuild_class(class, energy, 0);
    i64 raw_bits = raw_bits_of(energy), rounded = error + (1ll << raw_bits >> 1);
    i64 value = rounded >> raw_bits, number = 2 * abs_i64(value) - (value > 0);
    i64 symbol = min_i64(number, ESCAPE);
    u32 entry = class->entries[symbol];
    if (UNLIKELY(symbol == ESCAPE || (entry & ENTRY_MASK) == 0))
        put_escape(w, class->entries[ESCAPE], number);
    else
        put_record(w, entry);
    count_symbol(class, symbol);
    if (raw_bits > 0) put_raw(w, rounded, raw_bits);
}

typedef struct {
    RansDecoder decoder;
    i64 number;
} Escaped;

/* The decoder goes in and out by value: its address would keep it out of registers. */
OUTLINE Escaped take_escape(RansDecoder decoder) {
    i64 length = take_raw(&decoder, ESCAPE_LENGTH_BITS);
    i64 low = take_long_raw(&decoder, length);
    return (Escaped){decoder, (1ll << length | low) - 1};
}

INLINE i64 take_error(RansDecoder *d, ErrorClass *class, Lookup *lookup, i64 energy) {
    if (UNLIKELY(class->left == 0)) rebuild_class(class, energy, lookup);
    i64 number = lookup->symbol[slot_of(d)], symbol = number, raw_bits = raw_bits_of(energy);
    take_record(d, class->entries[symbol]);
    if (UNLIKELY(symbol == ESCAPE)) {
        Escaped escaped = take_escape(*d);
        *d = escaped.decoder;
        number = escaped.number;
        symbol = min_i64(number, ESCAPE);
    }
    count_symbol(class, symbol);
    i64 magnitude = (number + 1) >> 1, value = number & 1 ? magnitude : -magnitude;
    if (raw_bits == 0) return value;
    return value * (1ll << raw_bits) + take_raw(d, raw_bits) - (1ll << raw_bits >> 1);
}

#endif
