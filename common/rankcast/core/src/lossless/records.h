/* Intervals of rANS: collected while a writer learns, coded in reverse when a chunk is full.
 *
 * rANS is a stack: the encoder must begin with what the decoder reads last. A record is an interval
 * of SLOTS, as an entry of a table has it; models may change between any two of them.
 */
#ifndef RK_LOSSLESS_RECORDS_H
#define RK_LOSSLESS_RECORDS_H

#include "../rans_decoder.h"

enum {
    CHUNK_SAMPLES = 1 << 16, /* after which the states start anew: 8 bytes */
    STATES = 2,
    STATE_BYTES = 4,
    /* Three flags, symbol, raw bits, length of an escape and its bits in two parts. */
    RECORDS_PER_SAMPLE = 8,
    RECIPROCAL_BITS = 43, /* enough for dividends below 2^31 and divisors below 2^12 */
};

typedef struct {
    u32 *records;
    i64 count;
    const u64 *reciprocals; /* of each frequency, rounded up */
    u8 *data;
    i64 position, capacity;
} Writer;

static void fill_reciprocals(u64 reciprocals[SLOTS]) {
    /* A quotient that is no integer lies at least 2^-12 off the next one: a double tells. */
    for (i32 frequency = 1; frequency < SLOTS; frequency++) {
        f64 quotient = 0x1p43 / frequency;
        u64 below = (u64)quotient;
        reciprocals[frequency] = below + ((f64)below < quotient);
    }
    reciprocals[0] = 0;
}

INLINE u32 interval(u32 start, u32 frequency) { return start << ENTRY_START_SHIFT | frequency; }

INLINE void put_record(Writer *w, u32 record) { w->records[w->count++] = record; }

/* One to PART_BITS bits, all values alike. */
INLINE void put_raw(Writer *w, i64 bits, i64 count) {
    i64 rest = PROBABILITY_BITS - count;
    put_record(w, interval((u32)((bits & ((1ll << count) - 1)) << rest), 1u << rest));
}

INLINE void put_long_raw(Writer *w, i64 bits, i64 count) {
    for (; count > 0; bits >>= PART_BITS, count -= PART_BITS)
        put_raw(w, bits, min_i64(count, PART_BITS));
}

/* Code all records and append the chunk: the two states, then words. 0 if the buffer is too small.
 * Words grow downwards from the end of the records, which shrink twice as fast. */
OUTLINE int flush_records(Writer *w) {
    typedef u16 u16_any __attribute__((may_alias));
    u16_any *words = (u16_any *)w->records;
    i64 at = 2 * w->count;
    u32 states[STATES] = {STATE_LOW, STATE_LOW};
    u32 state = states[(w->count - 1) & 1], other = state;
    for (i64 i = w->count - 1; i >= 0; i--) {
        u32 frequency = w->records[i] & ENTRY_MASK, start = w->records[i] >> ENTRY_START_SHIFT;
        /* Both sides are computed, because this branch could not be predicted. */
        int is_full = state >= frequency << (STATE_BITS - PROBABILITY_BITS);
        words[at - 1] = (u16)state;
        at -= is_full;
        state = is_full ? state >> WORD_BITS : state;
        u32 quotient = (u32)(state * w->reciprocals[frequency] >> RECIPROCAL_BITS);
        u32 next = (quotient << PROBABILITY_BITS) + (state - quotient * frequency) + start;
        state = other;
        other = next;
    }
    /* The record of index 0 was the last one, and its state was swapped away. */
    states[0] = other;
    states[1] = state;
    i64 bytes = (i64)sizeof(u16) * (2 * w->count - at);
    if (w->position + STATES * STATE_BYTES + bytes > w->capacity) return 0;
    u8 *to = w->data + w->position;
    for (int k = 0; k < STATES * STATE_BYTES; k++)
        to[k] = (u8)(states[k / STATE_BYTES] >> 8 * (k % STATE_BYTES));
    to += STATES * STATE_BYTES;
    COPY(to, words + at, bytes);
    w->position += STATES * STATE_BYTES + bytes;
    w->count = 0;
    return 1;
}

/* Reading -------------------------------------------------------------------------------------- */

/* Start a chunk at the decoder's position; 0 if the stream ends before. */
INLINE int start_chunk(RansDecoder *d, i64 end) {
    if (end - d->position < STATES * STATE_BYTES) return 0;
    u32 states[STATES] = {0, 0};
    for (int k = 0; k < STATES * STATE_BYTES; k++)
        states[k / STATE_BYTES] |= (u32)d->data[d->position++] << 8 * (k % STATE_BYTES);
    d->state = states[0];
    d->other = states[1];
    return 1;
}

/* Whether a chunk ended where its writer began. */
INLINE int is_spent(const RansDecoder *d, i64 end) {
    return d->state == STATE_LOW && d->other == STATE_LOW && d->position <= end;
}

INLINE u32 slot_of(const RansDecoder *d) { return d->state & (SLOTS - 1); }

INLINE void take_record(RansDecoder *d, u32 record) {
    drop_symbol(d, record);
    swap_states(d);
}

INLINE i64 take_raw(RansDecoder *d, i64 count) {
    i64 rest = PROBABILITY_BITS - count;
    u32 bits = slot_of(d) >> rest;
    take_record(d, interval(bits << rest, 1u << rest));
    return bits;
}

INLINE i64 take_long_raw(RansDecoder *d, i64 count) {
    i64 value = 0;
    for (i64 done = 0; done < count; done += PART_BITS)
        value |= take_raw(d, min_i64(count - done, PART_BITS)) << done;
    return value;
}

#endif
