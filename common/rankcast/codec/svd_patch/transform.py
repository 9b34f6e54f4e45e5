"""The patch transform: integers on the way back, so that both ends rebuild the same samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch.tables import (
    BASIS_BITS_8,
    BASIS_BITS_16,
    COEFFICIENT_BITS,
    MIDDLE_BITS,
    STRIDE,
)
from rankcast.kernels import Integer, lean_kernel

_CLAMP_8 = (1 << 17) - 1
_CLAMP_MIDDLE_8 = (1 << 18) - 1
_CLAMP_16 = (1 << 27) - 1
_CLAMP_MIDDLE_16 = (1 << 28) - 1
_SHIFT_FIRST_8 = BASIS_BITS_8 - MIDDLE_BITS
_SHIFT_SECOND_8 = BASIS_BITS_8 + MIDDLE_BITS + COEFFICIENT_BITS
_HALF_FIRST_8 = 1 << (_SHIFT_FIRST_8 - 1)
_HALF_SECOND_8 = 1 << (_SHIFT_SECOND_8 - 1)
_SHIFT_FIRST_16 = BASIS_BITS_16 - MIDDLE_BITS
_SHIFT_SECOND_16 = BASIS_BITS_16 + MIDDLE_BITS + COEFFICIENT_BITS


@lean_kernel
def forward(
    residual: NDArray[np.float32],
    side: Integer,
    keep: Integer,
    left_t: NDArray[np.float32],
    right: NDArray[np.float32],
    middle: NDArray[np.float32],
    core: NDArray[np.float32],
) -> None:
    """M = L^T A R of one patch, its `keep` leading rows and columns.

    Parameters
    ----------
    residual : ndarray, shape (4, 32, 8)
        A, in tiles of eight columns: element (i, j) lies at [j // 8, i, j % 8]. Sums of one
        tile row stay in one vector register.
    left_t : ndarray, shape (32, 32)
        L^T.
    right : ndarray, shape (4, 32, 8)
        R with basis vectors in columns, in tiles.
    middle : ndarray, shape (4, 32, 8)
        Scratch.
    core : ndarray, shape (LEVELS,)
        M, row by row at `STRIDE`, columns up to a multiple of eight.
    """
    tiles = side >> 3
    for g in range(tiles):
        for k in range(keep):
            s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.float32(0)
            for i in range(side):
                weight = left_t[k, i]
                s0 += weight * residual[g, i, 0]
                s1 += weight * residual[g, i, 1]
                s2 += weight * residual[g, i, 2]
                s3 += weight * residual[g, i, 3]
                s4 += weight * residual[g, i, 4]
                s5 += weight * residual[g, i, 5]
                s6 += weight * residual[g, i, 6]
                s7 += weight * residual[g, i, 7]
            middle[g, k, 0] = s0
            middle[g, k, 1] = s1
            middle[g, k, 2] = s2
            middle[g, k, 3] = s3
            middle[g, k, 4] = s4
            middle[g, k, 5] = s5
            middle[g, k, 6] = s6
            middle[g, k, 7] = s7
    for g in range((keep + 7) >> 3):
        for k in range(keep):
            s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.float32(0)
            for h in range(tiles):
                for i in range(8):
                    weight = middle[h, k, i]
                    row = 8 * h + i
                    s0 += weight * right[g, row, 0]
                    s1 += weight * right[g, row, 1]
                    s2 += weight * right[g, row, 2]
                    s3 += weight * right[g, row, 3]
                    s4 += weight * right[g, row, 4]
                    s5 += weight * right[g, row, 5]
                    s6 += weight * right[g, row, 6]
                    s7 += weight * right[g, row, 7]
            first = k * STRIDE + 8 * g
            out = core[first : first + 8]
            out[0] = s0
            out[1] = s1
            out[2] = s2
            out[3] = s3
            out[4] = s4
            out[5] = s5
            out[6] = s6
            out[7] = s7


@lean_kernel
def _clamp(value: Integer, bound: Integer) -> Integer:
    if value > bound:
        return bound
    if value < -bound:
        return -bound
    return value


@lean_kernel
def inverse_8(
    levels: NDArray[np.int32],
    side: Integer,
    rows: Integer,
    columns: Integer,
    step: Integer,
    left: NDArray[np.int32],
    right_t: NDArray[np.int32],
    core: NDArray[np.int32],
    middle: NDArray[np.int32],
    residual: NDArray[np.int32],
) -> None:
    """A = L M R^T of an 8-bit patch in int32; `rows` x `columns` levels may be non-zero.

    Tiles as in `forward`: `right_t`, `core`, `middle` and `residual` are (4, 32, 8).

    No sum can overflow: |M| < 2^17, |L| < 2^10, and the absolute values of a row of L sum to
    less than 2^13 (eight entries, or an orthonormal 32 x 32 matrix: at most sqrt(32)).
    """
    tiles = (columns + 7) >> 3
    for g in range(tiles):
        for k in range(rows):
            for j in range(8):
                core[g, k, j] = _clamp(
                    (np.int64(levels[k * STRIDE + 8 * g + j]) * step) >> COEFFICIENT_BITS, _CLAMP_8
                )
    # Sums begin with the rounding term and are kept in 32 bits.
    for g in range(tiles):
        for i in range(side):
            s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.int32(_HALF_FIRST_8)
            for k in range(rows):
                weight = left[i, k]
                s0 = np.int32(s0 + weight * core[g, k, 0])
                s1 = np.int32(s1 + weight * core[g, k, 1])
                s2 = np.int32(s2 + weight * core[g, k, 2])
                s3 = np.int32(s3 + weight * core[g, k, 3])
                s4 = np.int32(s4 + weight * core[g, k, 4])
                s5 = np.int32(s5 + weight * core[g, k, 5])
                s6 = np.int32(s6 + weight * core[g, k, 6])
                s7 = np.int32(s7 + weight * core[g, k, 7])
            middle[g, i, 0] = _clamp_middle(np.int32(s0 >> _SHIFT_FIRST_8))
            middle[g, i, 1] = _clamp_middle(np.int32(s1 >> _SHIFT_FIRST_8))
            middle[g, i, 2] = _clamp_middle(np.int32(s2 >> _SHIFT_FIRST_8))
            middle[g, i, 3] = _clamp_middle(np.int32(s3 >> _SHIFT_FIRST_8))
            middle[g, i, 4] = _clamp_middle(np.int32(s4 >> _SHIFT_FIRST_8))
            middle[g, i, 5] = _clamp_middle(np.int32(s5 >> _SHIFT_FIRST_8))
            middle[g, i, 6] = _clamp_middle(np.int32(s6 >> _SHIFT_FIRST_8))
            middle[g, i, 7] = _clamp_middle(np.int32(s7 >> _SHIFT_FIRST_8))
    for g in range(side >> 3):
        for i in range(side):
            s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.int32(_HALF_SECOND_8)
            for h in range(tiles):
                for k in range(8):
                    weight = middle[h, i, k]
                    row = 8 * h + k
                    s0 = np.int32(s0 + weight * right_t[g, row, 0])
                    s1 = np.int32(s1 + weight * right_t[g, row, 1])
                    s2 = np.int32(s2 + weight * right_t[g, row, 2])
                    s3 = np.int32(s3 + weight * right_t[g, row, 3])
                    s4 = np.int32(s4 + weight * right_t[g, row, 4])
                    s5 = np.int32(s5 + weight * right_t[g, row, 5])
                    s6 = np.int32(s6 + weight * right_t[g, row, 6])
                    s7 = np.int32(s7 + weight * right_t[g, row, 7])
            residual[g, i, 0] = np.int32(s0 >> _SHIFT_SECOND_8)
            residual[g, i, 1] = np.int32(s1 >> _SHIFT_SECOND_8)
            residual[g, i, 2] = np.int32(s2 >> _SHIFT_SECOND_8)
            residual[g, i, 3] = np.int32(s3 >> _SHIFT_SECOND_8)
            residual[g, i, 4] = np.int32(s4 >> _SHIFT_SECOND_8)
            residual[g, i, 5] = np.int32(s5 >> _SHIFT_SECOND_8)
            residual[g, i, 6] = np.int32(s6 >> _SHIFT_SECOND_8)
            residual[g, i, 7] = np.int32(s7 >> _SHIFT_SECOND_8)


@lean_kernel
def _clamp_middle(value: Integer) -> Integer:
    most, least = np.int32(_CLAMP_MIDDLE_8), np.int32(-_CLAMP_MIDDLE_8)
    if value > most:
        value = most
    if value < least:
        value = least
    return value


@lean_kernel
def inverse_16(
    levels: NDArray[np.int32],
    side: Integer,
    rows: Integer,
    columns: Integer,
    step: Integer,
    left: NDArray[np.int32],
    right_t: NDArray[np.int32],
    core: NDArray[np.int64],
    middle: NDArray[np.int64],
    residual: NDArray[np.int32],
) -> None:
    """A = L M R^T of a 16-bit patch in int64; see `inverse_8`."""
    tiles = (columns + 7) >> 3
    for g in range(tiles):
        for k in range(rows):
            for j in range(8):
                core[g, k, j] = _clamp(
                    (np.int64(levels[k * STRIDE + 8 * g + j]) * step) >> COEFFICIENT_BITS, _CLAMP_16
                )
    half = np.int64(1) << (_SHIFT_FIRST_16 - 1)
    for g in range(tiles):
        for i in range(side):
            for j in range(8):
                total = half
                for k in range(rows):
                    total += np.int64(left[i, k]) * core[g, k, j]
                middle[g, i, j] = _clamp(total >> _SHIFT_FIRST_16, _CLAMP_MIDDLE_16)
    half = np.int64(1) << (_SHIFT_SECOND_16 - 1)
    for g in range(side >> 3):
        for i in range(side):
            for j in range(8):
                total = half
                for h in range(tiles):
                    for k in range(8):
                        total += middle[h, i, k] * np.int64(right_t[g, 8 * h + k, j])
                residual[g, i, j] = total >> _SHIFT_SECOND_16
