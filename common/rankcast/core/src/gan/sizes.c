/* Size of a level less one: unary, then classes of doubling width with plain bits. */

enum {
    UNARY_SIZES = 8,
    LAST_CLASS = 24, /* wide enough for levels of 2^18: the encoder bounds its own by 10^5 */
};

/* Plain bits of a class, and its first size. */
INLINE i64 bits_of_class(i64 class) { return max_i64(class - UNARY_SIZES + 1, 0); }
INLINE i64 first_of_class(i64 class) { return UNARY_SIZES + (1ll << bits_of_class(class)) - 2; }

INLINE i64 class_of(i64 size) {
    if (size < UNARY_SIZES) return size;
    return UNARY_SIZES + 62 - __builtin_clzll((u64)(size - UNARY_SIZES + 2));
}

/* Model of the question whether the class is above `class`. */
INLINE i64 class_context(i64 context, i64 class) { return context + min_i64(class, BINS - 1); }

INLINE i64 code_size_as(RangeCoder *c, const int decoding, i64 context, i64 size) {
    i64 target = decoding ? 0 : class_of(size), class = 0;
    while (class < LAST_CLASS &&
           code_bit_as(c, decoding, class_context(context, class), class < target))
        class++;
    if (class < UNARY_SIZES) return class;
    i64 first = first_of_class(class);
    return first + code_bits_as(c, decoding, bits_of_class(class), size - first);
}

/* Bits that code_size_as would take now. */
INLINE f32 size_cost(const RangeCoder *c, i64 context, i64 size) {
    i64 target = class_of(size);
    f32 cost = (f32)bits_of_class(target);
    for (i64 class = 0; class < target; class++)
        cost += bit_cost(c, class_context(context, class), 1);
    return cost + bit_cost(c, class_context(context, target), 0);
}
