/* Coding of factor matrices of a plane's own, as differences to the table. */
#include "../range_coder.h"

enum {
    BASIS_SIDE = 8,
    BASIS_ENTRIES = BASIS_SIDE * BASIS_SIDE,
    WIDTHS = 16, /* of a difference in bits, with a model each; one more shares the last */
    /* Models behind the registers: whether a plane has its own factors; [L, R][width]. */
    AT_OWN = REGISTERS,
    AT_WIDTH = AT_OWN + 1,
};

/* Code one difference to the table: its width in adaptive unary, sign and bits plain. */
static i64 code_difference(RangeCoder *c, i64 models, i64 value) {
    i64 size = abs_i64(value);
    i64 target = size ? 64 - __builtin_clzll((u64)size) : 0, width = 0;
    while (width <= WIDTHS && code_bit(c, models + min_i64(width, WIDTHS - 1), width < target))
        width++;
    if (width == 0) return 0;
    size = 1ll << (width - 1) | code_bits(c, width - 1, size);
    return code_bits(c, 1, value < 0) ? -size : size;
}

/* Whether a plane has factors of its own, and these. A decoder clamps them to `largest`: the bounds
 * of the inverse transform rest on it. */
int64_t rk_svd_patch_code_basis(int64_t *state, uint8_t *data, int64_t own, const int32_t *table,
                                int32_t *factors, int64_t largest) {
    RangeCoder c = load_coder(state, data);
    own = code_bit(&c, AT_OWN, own != 0);
    for (i32 side = 0; own && side < 2; side++, factors += BASIS_ENTRIES)
        for (i32 k = 0; k < BASIS_SIDE; k++)
            for (i32 i = 0; i < BASIS_SIDE; i++) {
                i32 at = i * BASIS_SIDE + k;
                i64 difference = (i64)factors[at] - table[at];
                difference = code_difference(&c, AT_WIDTH + side * WIDTHS, difference);
                factors[at] = (i32)clamp_i64(table[at] + difference, -largest, largest);
            }
    store_coder(&c);
    return own;
}

int64_t rk_svd_patch_basis_models(void) { return AT_WIDTH + 2 * WIDTHS - REGISTERS; }
