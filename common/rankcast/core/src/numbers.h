/* Signed integers through the range coder: sign, unary length and bits of an Elias gamma code.
 *
 * Small numbers are learnt by adaptive models, the low bits of large ones are plain: for side
 * information such as palettes and means, whose size is hardly known beforehand.
 */
#ifndef RK_NUMBERS_H
#define RK_NUMBERS_H

#include "range_coder.h"

/* Models of one kind of number. */
enum {
    NUMBER_NOT_ZERO,
    NUMBER_NEGATIVE,
    NUMBER_LENGTH,
    NUMBER_BITS = 40,
    NUMBER_MODELS = NUMBER_LENGTH + NUMBER_BITS,
};

#define LARGEST_NUMBER ((1ll << NUMBER_BITS) - 1)

/* Write `value`, or its limit, with the models from index `context` on, or read and return it. The
 * magnitude is below 2^40, whatever a decoder is fed. */
INLINE i64 code_number_as(RangeCoder *c, const int decoding, i64 context, i64 value) {
    if (!code_bit_as(c, decoding, context + NUMBER_NOT_ZERO, value != 0)) return 0;
    int negative = code_bit_as(c, decoding, context + NUMBER_NEGATIVE, value < 0);
    i64 size = min_i64(abs_i64(value), LARGEST_NUMBER);
    i64 length = 0;
    while (length < NUMBER_BITS - 1 &&
           code_bit_as(c, decoding, context + NUMBER_LENGTH + length, size >> (length + 1) > 0))
        length++;
    size = 1ll << length | code_bits_as(c, decoding, length, size);
    return negative ? -size : size;
}

#endif
