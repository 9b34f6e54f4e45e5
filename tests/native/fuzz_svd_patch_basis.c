/* Factor matrices of the planes of a key frame.
 *
 * Python has checked how many planes there are, and holds the bounds of the inverse transform by
 * the limit that it hands over.
 */
#include "harness.h"
#include "svd_patch_tables.h"

enum { MOST_PLANES = 8, FACTORS = 2 * SIDE * SIDE };

TARGET {
    Input in = {bytes, bytes + size};
    begin_run();
    int64_t deep = take(&in, 0, 1), planes = take(&in, 1, MOST_PLANES), data_size = bytes_left(&in);
    int64_t largest = basis_one(deep) - 1;
    uint8_t *data = take_bytes(&in, &data_size);
    int64_t *state = new_coder(rk_svd_patch_basis_models());
    int32_t *table = new_block(FACTORS / 2 * 4), *factors = new_block(FACTORS * 4);
    rk_range_start_decoder(state, data, 0, data_size);
    for (int64_t plane = 0; plane < planes; plane++) {
        get_factors(table_basis(deep), factors);
        memcpy(table, factors, FACTORS / 2 * 4);
        int64_t own = rk_svd_patch_code_basis(state, data, 0, table, factors, largest);
        REQUIRE(own == 0 || own == 1);
        for (int i = 0; i < FACTORS; i++) REQUIRE(labs(factors[i]) <= largest);
        observe(factors, FACTORS * 4);
    }
    free_blocks();
    return 0;
}
