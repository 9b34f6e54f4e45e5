"""The patch transform: integers on the way back, so that both ends rebuild the same samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch.tables import (
    BASIS_BITS_8,
    BASIS_BITS_16,
    COEFFICIENT_BITS,
    MIDDLE_BITS,
    STRIDE,
)
from rankcast.jit import kernel

_CLAMP_8 = (1 << 17) - 1
_CLAMP_MIDDLE_8 = (1 << 18) - 1
_CLAMP_16 = (1 << 27) - 1
_CLAMP_MIDDLE_16 = (1 << 28) - 1
_SHIFT_FIRST_8 = BASIS_BITS_8 - MIDDLE_BITS
_SHIFT_SECOND_8 = BASIS_BITS_8 + MIDDLE_BITS + COEFFICIENT_BITS
_SHIFT_FIRST_16 = BASIS_BITS_16 - MIDDLE_BITS
_SHIFT_SECOND_16 = BASIS_BITS_16 + MIDDLE_BITS + COEFFICIENT_BITS


@kernel
def forward(
    residual: NDArray[np.float32],
    side: int,
    keep: int,
    left_t: NDArray[np.float32],
    right: NDArray[np.float32],
    middle: NDArray[np.float32],
    core: NDArray[np.float32],
) -> None:
    """M = L^T A R of one patch, its `keep` leading rows and columns.

    Parameters
    ----------
    residual : ndarray, shape (>= side, >= side)
        A.
    left_t, right : ndarray, shape (side, side)
        L^T, and R with basis vectors in columns.
    middle : ndarray
        Scratch of at least the size of `residual`.
    core : ndarray, shape (LEVELS,)
        M, row by row at `STRIDE`.
    """
    for k in range(keep):
        row = middle[k]
        row[:side] = np.float32(0)
        for i in range(side):
            weight = left_t[k, i]
            a = residual[i]
            for j in range(side):
                row[j] += weight * a[j]
    for k in range(keep):
        base = k * STRIDE
        for j in range(keep):
            core[base + j] = np.float32(0)
        for i in range(side):
            weight = middle[k, i]
            b = right[i]
            for j in range(keep):
                core[base + j] += weight * b[j]


@kernel
def _clamp(value: int, bound: int) -> int:
    if value > bound:
        return bound
    if value < -bound:
        return -bound
    return value


@kernel
def inverse_8(
    levels: NDArray[np.int32],
    side: int,
    rows: int,
    columns: int,
    step: int,
    left: NDArray[np.int32],
    right_t: NDArray[np.int32],
    core: NDArray[np.int32],
    middle: NDArray[np.int32],
    residual: NDArray[np.int32],
) -> None:
    """A = L M R^T of an 8-bit patch in int32; `rows` x `columns` levels may be non-zero.

    No sum can overflow: |M| < 2^17, |L| <= 2^10, and the absolute values of a row of an
    orthonormal 32 x 32 matrix sum to at most sqrt(32) < 2^2.5.
    """
    for k in range(rows):
        for j in range(columns):
            core[k, j] = _clamp(
                (np.int64(levels[k * STRIDE + j]) * step) >> COEFFICIENT_BITS, _CLAMP_8
            )
    half = np.int64(1) << (_SHIFT_FIRST_8 - 1)
    for i in range(side):
        row = middle[i]
        row[:columns] = 0
        for k in range(rows):
            weight = left[i, k]
            c = core[k]
            for j in range(columns):
                row[j] += weight * c[j]
        for j in range(columns):
            row[j] = _clamp((np.int64(row[j]) + half) >> _SHIFT_FIRST_8, _CLAMP_MIDDLE_8)
    half = np.int64(1) << (_SHIFT_SECOND_8 - 1)
    for i in range(side):
        out = residual[i]
        out[:side] = 0
        for k in range(columns):
            weight = middle[i, k]
            b = right_t[k]
            for j in range(side):
                out[j] += weight * b[j]
        for j in range(side):
            out[j] = (np.int64(out[j]) + half) >> _SHIFT_SECOND_8


@kernel
def inverse_16(
    levels: NDArray[np.int32],
    side: int,
    rows: int,
    columns: int,
    step: int,
    left: NDArray[np.int32],
    right_t: NDArray[np.int32],
    core: NDArray[np.int64],
    middle: NDArray[np.int64],
    residual: NDArray[np.int32],
) -> None:
    """A = L M R^T of a 16-bit patch in int64; see `inverse_8`."""
    for k in range(rows):
        for j in range(columns):
            core[k, j] = _clamp(
                (np.int64(levels[k * STRIDE + j]) * step) >> COEFFICIENT_BITS, _CLAMP_16
            )
    half = np.int64(1) << (_SHIFT_FIRST_16 - 1)
    for i in range(side):
        row = middle[i]
        row[:columns] = 0
        for k in range(rows):
            weight = np.int64(left[i, k])
            c = core[k]
            for j in range(columns):
                row[j] += weight * c[j]
        for j in range(columns):
            row[j] = _clamp((row[j] + half) >> _SHIFT_FIRST_16, _CLAMP_MIDDLE_16)
    half = np.int64(1) << (_SHIFT_SECOND_16 - 1)
    for i in range(side):
        total = core[0]
        total[:side] = 0
        for k in range(columns):
            weight = middle[i, k]
            b = right_t[k]
            for j in range(side):
                total[j] += weight * np.int64(b[j])
        for j in range(side):
            residual[i, j] = (total[j] + half) >> _SHIFT_SECOND_16


def work_arrays() -> tuple[Any, ...]:
    """Scratch of the inverse transforms: core, middle for int32, then for int64, residual."""
    return (
        np.zeros((32, 32), np.int32),
        np.zeros((32, 32), np.int32),
        np.zeros((32, 32), np.int64),
        np.zeros((32, 32), np.int64),
        np.zeros((32, 32), np.int32),
    )
