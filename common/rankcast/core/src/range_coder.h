/* Adaptive binary range coder: the same functions write and read.
 *
 * The interval arithmetic is that of LZMA's range coder (carries travel through a counted run of 0xFF
 * bytes) with a range of 40 bits. The probability of a one is the mean of two estimates that adapt at
 * two rates, both fast at first: a frame of a still scene has a few hundred bits to learn from.
 *
 * Between two calls the state lives in one array of 64-bit numbers, REGISTERS registers and then one
 * model a context, which Python copies to try a frame twice. During a call the registers are locals.
 */
#ifndef RK_RANGE_CODER_H
#define RK_RANGE_CODER_H

#include "base.h"
#include "cost_table.h"

/* Places of the registers in the array. */
enum {
    REGISTER_LOW,
    REGISTER_RANGE,
    REGISTER_CODE,
    REGISTER_CACHE,
    REGISTER_PENDING,
    REGISTER_POSITION,
    REGISTER_END,
    REGISTER_DECODING,
    REGISTER_OVERRUN,
    REGISTERS = 16,
};

typedef struct {
    u64 low;   /* encoder: low end of the interval */
    u64 range; /* width of the interval */
    u64 code;  /* decoder: what was read, relative to the low end */
    i64 cache, pending; /* encoder: bytes not yet written, the cached one and the 0xFF behind it */
    i64 position, end;  /* end: behind the last byte of the stream, or of the encoder's buffer */
    i64 decoding;
    i64 overrun; /* the buffer was too small, or the decoder had to invent too many bytes */
    i64 *state;
    u8 *data;
} RangeCoder;

#define RANGE_TOP (1ull << 40)
#define RANGE_LEAST (1ull << 32)
/* The encoder drops fewer trailing zeros than this: a decoder that needs more was fooled. */
#define MAX_INVENTED_BYTES 8
#define MODEL_ONE 65536u
#define LAST_COUNT 95

/* How a model adapts, by the number of bits seen: the shift of the fast estimate, 2^8 times that of
 * the slow one, and COUNT_UP where the number still grows. The shifts are log2(n + 1.5) rounded, close
 * to the estimator of Krichevsky and Trofimov, up to the final rates of 1/16 and 1/128. A table,
 * because comparisons become a chain of jumps that takes longer than the rest of a bit. */
enum { COUNTS = 128, COUNT_UP = 1 << 16 };
#define ADAPTING(fast, slow) ((fast) | (slow) << 8 | COUNT_UP)
static const u32 ADAPTATION[COUNTS] = {
    [0 ... 1] = ADAPTING(1, 1),
    [2 ... 4] = ADAPTING(2, 2),
    [5 ... 9] = ADAPTING(3, 3),
    [10 ... 21] = ADAPTING(4, 4),
    [22 ... 43] = ADAPTING(4, 5),
    [44 ... 89] = ADAPTING(4, 6),
    [90 ... LAST_COUNT - 1] = ADAPTING(4, 7),
    [LAST_COUNT ... COUNTS - 1] = ADAPTING(4, 7) & ~COUNT_UP,
};
/* An entry of the table; a type of its own, so that no count is taken for one. */
typedef struct {
    u32 entry;
} Adaptation;
INLINE Adaptation adaptation(u32 count) { return (Adaptation){ADAPTATION[count % COUNTS]}; }
INLINE u32 fast_shift(Adaptation how) { return how.entry & 31; }
INLINE u32 slow_shift(Adaptation how) { return how.entry >> 8 & 31; }

INLINE RangeCoder load_coder(i64 *state, u8 *data) {
    return (RangeCoder){
        .low = (u64)state[REGISTER_LOW],
        .range = (u64)state[REGISTER_RANGE],
        .code = (u64)state[REGISTER_CODE],
        .cache = state[REGISTER_CACHE],
        .pending = state[REGISTER_PENDING],
        .position = state[REGISTER_POSITION],
        .end = state[REGISTER_END],
        .decoding = state[REGISTER_DECODING],
        .overrun = state[REGISTER_OVERRUN],
        .state = state,
        .data = data,
    };
}

INLINE void store_coder(const RangeCoder *c) {
    c->state[REGISTER_LOW] = (i64)c->low;
    c->state[REGISTER_RANGE] = (i64)c->range;
    c->state[REGISTER_CODE] = (i64)c->code;
    c->state[REGISTER_CACHE] = c->cache;
    c->state[REGISTER_PENDING] = c->pending;
    c->state[REGISTER_POSITION] = c->position;
    c->state[REGISTER_END] = c->end;
    c->state[REGISTER_DECODING] = c->decoding;
    c->state[REGISTER_OVERRUN] = c->overrun;
}

INLINE void read_byte(RangeCoder *c) {
    u64 byte = 0;
    if (c->position < c->end)
        byte = c->data[c->position];
    else if (c->position >= c->end + MAX_INVENTED_BYTES)
        c->overrun = 1;
    c->position++;
    c->code = c->code << 8 | byte;
}

INLINE void put_byte(RangeCoder *c, i64 byte) {
    if (c->position < c->end)
        c->data[c->position++] = (u8)byte;
    else
        c->overrun = 1;
}

OUTLINE void shift_low(RangeCoder *c) {
    u64 low = c->low;
    /* No carry can reach the very first byte: it needs no look-ahead. */
    if (c->pending == 0 || low < 0xFFull << 32 || low >= RANGE_TOP) {
        i64 carry = (i64)(low >> 40);
        if (c->pending > 0) {
            put_byte(c, c->cache + carry);
            for (i64 i = 0; i < c->pending - 1; i++) put_byte(c, 0xFF + carry);
        }
        c->pending = 0;
        c->cache = (i64)(low >> 32 & 0xFF);
    }
    c->pending++;
    c->low = low << 8 & (RANGE_TOP - 1);
}

INLINE void renormalise(RangeCoder *c, u64 span, const int decoding) {
    while (UNLIKELY(span < RANGE_LEAST)) {
        span <<= 8;
        if (decoding)
            read_byte(c);
        else
            shift_low(c);
    }
    c->range = span;
}

/* Whether the next bit is a one. A damaged stream may have a code that is not below the range, and
 * grows from there on: as a signed number, so that all decoders read the same from it. */
INLINE int code_is_below(const RangeCoder *c, u64 bound) { return (i64)c->code < (i64)bound; }

/* Adapt the model at index `context`, and narrow the interval to that of `bit`, which is a constant:
 * each bit has a path of its own through its caller, without a second jump. `bound` parts the
 * interval. No estimate carries into the one above it: all three change by one sum. */
INLINE void take_bit(RangeCoder *c, const int decoding, i64 context, u64 bound, const int bit) {
    u64 model = (u64)c->state[context];
    u32 fast = model & 0xFFFF, slow = model >> 16 & 0xFFFF;
    Adaptation how = adaptation((u32)(model >> 32));
    u64 span = bit ? bound : c->range - bound;
    if (bit) {
        model += (MODEL_ONE - fast) >> fast_shift(how);
        model += (u64)((MODEL_ONE - slow) >> slow_shift(how)) << 16;
    } else {
        model -= fast >> fast_shift(how);
        model -= (u64)(slow >> slow_shift(how)) << 16;
        if (decoding)
            c->code -= bound;
        else
            c->low += bound;
    }
    c->state[context] = (i64)(model + ((u64)(how.entry & COUNT_UP) << 16));
    renormalise(c, span, decoding);
}

/* Write `bit` with the model at index `context` of the state, or read and return it. `decoding` is a
 * constant where the caller is compiled once for each direction. */
INLINE int code_bit_as(RangeCoder *c, const int decoding, i64 context, int bit) {
    u64 model = (u64)c->state[context];
    u32 both = (u32)(model & 0xFFFF) + (u32)(model >> 16 & 0xFFFF);
    u64 bound = (c->range >> 16) * (both >> 1);
    if (decoding ? code_is_below(c, bound) : bit) {
        take_bit(c, decoding, context, bound, 1);
        return 1;
    }
    take_bit(c, decoding, context, bound, 0);
    return 0;
}

/* A model whose estimates are `ones` 256ths, as if `count` bits had told so. */
INLINE i64 new_model(i64 ones, i64 count) {
    i64 share = ones << 8;
    return share | share << 16 | count << 32;
}

INLINE int code_bit(RangeCoder *c, i64 context, int bit) {
    return code_bit_as(c, c->decoding != 0, context, bit);
}

/* Write the `count` low bits of `value` at one bit each, or read and return them. */
INLINE i64 code_bits_as(RangeCoder *c, const int decoding, i64 count, i64 value) {
    i64 result = 0;
    for (i64 i = count - 1; i >= 0; i--) {
        int bit = (int)(value >> i & 1);
        u64 span = c->range >> 1;
        if (decoding) {
            /* Nobody can guess a plain bit: no jump depends on it. */
            bit = code_is_below(c, span);
            c->code -= span & ((u64)bit - 1);
        } else if (!bit) {
            c->low += span;
        }
        renormalise(c, span, decoding);
        result = result << 1 | bit;
    }
    return result;
}

INLINE i64 code_bits(RangeCoder *c, i64 count, i64 value) {
    return code_bits_as(c, c->decoding != 0, count, value);
}

/* Cost in bits of coding `bit` now with the model at index `context`. */
INLINE f32 bit_cost(const RangeCoder *c, i64 context, int bit) {
    u64 model = (u64)c->state[context];
    u32 one = ((u32)(model & 0xFFFF) + (u32)(model >> 16 & 0xFFFF)) >> 1;
    return COST_BITS[(bit ? one : MODEL_ONE - one) >> 4];
}

#endif
