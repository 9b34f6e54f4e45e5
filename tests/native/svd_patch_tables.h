/* Factor matrices as rankcast.codec.svd_patch.basis lays them out: the integer DCT, or factors of a
 * plane's own in their place for patches of 8. */
#ifndef RANKCAST_SVD_PATCH_TABLES_H
#define RANKCAST_SVD_PATCH_TABLES_H

#include <math.h>

#include "harness.h"

enum { SIDE = 8, CELL = 32 };

typedef struct {
    int32_t left[3][CELL][CELL];
    int32_t right_t[3][CELL / 8][CELL][8]; /* tiles of eight columns */
} Basis;

/* 1 in the fixed point of the factors. */
static inline int64_t basis_one(int64_t deep) { return deep ? 1 << 15 : 1 << 10; }

static inline void set_entry(Basis *basis, int size, int row, int column, int32_t left,
                             int32_t right) {
    basis->left[size][row][column] = left;
    basis->right_t[size][row / 8][column][row % 8] = right;
}

static inline void fill_table(Basis *basis, int64_t deep) {
    for (int size = 0; size < 3; size++) {
        int side = SIDE << size;
        for (int n = 0; n < side; n++)
            for (int k = 0; k < side; k++) {
                double angle = 3.14159265358979323846 * (2 * n + 1) * k / (2 * side);
                double entry = cos(angle) * sqrt((k ? 2.0 : 1.0) / side);
                int32_t rounded = (int32_t)lrint(entry * (double)basis_one(deep));
                set_entry(basis, size, n, k, rounded, rounded);
            }
    }
}

static inline const Basis *table_basis(int64_t deep) {
    static Basis tables[2];
    if (!tables[deep].left[0][0][0]) fill_table(&tables[deep], deep);
    return &tables[deep];
}

/* L and R of patches of 8, [2][8][8]. */
static inline void get_factors(const Basis *basis, int32_t *factors) {
    for (int n = 0; n < SIDE; n++)
        for (int k = 0; k < SIDE; k++) {
            factors[n * SIDE + k] = basis->left[0][n][k];
            factors[(SIDE + n) * SIDE + k] = basis->right_t[0][0][k][n];
        }
}

static inline const Basis *own_basis(const Basis *table, const int32_t *factors) {
    Basis *basis = new_block(sizeof *basis);
    memcpy(basis, table, sizeof *basis);
    for (int n = 0; n < SIDE; n++)
        for (int k = 0; k < SIDE; k++)
            set_entry(basis, 0, n, k, factors[n * SIDE + k], factors[(SIDE + n) * SIDE + k]);
    return basis;
}

#endif
