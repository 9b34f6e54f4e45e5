/* The steps of a decoder of rANS, for a codec that finds out the class of each value on its way. */
#ifndef RK_RANS_DECODER_H
#define RK_RANS_DECODER_H

#include "rans.h"

typedef struct {
    u32 state;      /* of the next value */
    u32 other;      /* of the one after it: the states take turns */
    const u8 *data; /* of little-endian words; position and last count its bytes */
    i64 position;
    i64 last; /* place of the last word: what is read behind it matters to nobody */
} RansDecoder;

INLINE u32 next_word(const RansDecoder *d) {
    const u8 *at = d->data + min_i64(d->position, d->last);
    return (u32)(at[0] | at[1] << 8);
}

INLINE void swap_states(RansDecoder *d) {
    u32 state = d->state;
    d->state = d->other;
    d->other = state;
}

/* Leave the symbol whose row of the table is `entry`. */
INLINE void drop_symbol(RansDecoder *d, u32 entry) {
    u32 frequency = entry & ENTRY_MASK, start = entry >> ENTRY_START_SHIFT & ENTRY_MASK;
    u32 state = frequency * (d->state >> PROBABILITY_BITS) + (d->state & (SLOTS - 1)) - start;
    /* Both sides are computed, because this branch could not be predicted. */
    u32 filled = state << WORD_BITS | next_word(d);
    int is_short = state < STATE_LOW;
    d->state = is_short ? filled : state;
    d->position += is_short ? 2 : 0;
}

/* Take at most 31 raw bits. */
INLINE i64 take_bits(RansDecoder *d, i64 count) {
    i64 value = 0;
    for (i64 done = 0; done < count;) {
        i64 part = min_i64(count - done, PART_BITS);
        value |= (i64)(d->state & ((1u << part) - 1)) << done;
        d->state >>= part;
        done += part;
        if (d->state < STATE_LOW) {
            d->state = d->state << WORD_BITS | next_word(d);
            d->position += 2;
        }
    }
    return value;
}

#endif
