"""Constants of the format: transform tables, scans, filters and context classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNIT = 8
"""Side of the smallest patch; all maps hold one entry per 8 x 8 samples."""
CELL = 32
"""Side of the largest patch."""
STRIDE = 18
"""Row length of the arrays of levels: 16 columns and two zeros for the templates."""
CODED_SIDE = 16
"""Patches of 32 code their 16 x 16 lowest frequencies only."""
LEVELS = STRIDE * STRIDE

STEP_ONE = 16
"""A quantiser step of one grey level; steps travel in sixteenths."""
COEFFICIENT_BITS = 2
"""Fractional bits of a dequantised coefficient."""

BASIS_BITS_8 = 10
"""Fractional bits of the basis of 8-bit planes: under 0.1 dB lost at 51 dB."""
BASIS_BITS_16 = 15
MIDDLE_BITS = 3
"""Fractional bits that the first pass of the inverse transform adds."""


def cosine_table(side: int, bits: int) -> NDArray[np.int32]:
    """Orthonormal DCT-II with `bits` fractional bits; column k is basis function k."""
    n = np.arange(side)
    table = np.cos(np.pi * (2 * n[:, None] + 1) * n[None, :] / (2 * side)) * np.sqrt(2 / side)
    table[:, 0] = np.sqrt(1 / side)
    rounded: NDArray[np.int32] = np.rint(table * (1 << bits)).astype(np.int32)
    return rounded


def _scan(side: int) -> NDArray[np.int32]:
    """Positions (row * STRIDE + column) by anti-diagonals, lowest frequency first."""
    order = sorted(
        ((y, x) for y in range(side) for x in range(side)),
        key=lambda yx: (yx[0] + yx[1], yx[0] if (yx[0] + yx[1]) % 2 else yx[1]),
    )
    return np.array([y * STRIDE + x for y, x in order], np.int32)


SCANS: NDArray[np.int32] = np.zeros((2, 256), np.int32)
"""Row 0: patches of 8 (64 entries); row 1: patches of 16 and 32 (256 entries)."""
SCANS[0, :64] = _scan(8)
SCANS[1] = _scan(16)

SCAN_Y: NDArray[np.int64] = SCANS.astype(np.int64) // STRIDE
SCAN_X: NDArray[np.int64] = SCANS.astype(np.int64) % STRIDE

# What stands to the right, below and diagonally of a coefficient predicts its size.
MAGNITUDE_CLASSES = 16
MAGNITUDE_CLASS: NDArray[np.int64] = np.array(
    [
        int(np.searchsorted([0, 1, 2, 3, 4, 6, 8, 11, 15, 22, 31, 45, 63, 127, 255], t))
        for t in range(257)
    ],
    np.int64,
)

# By anti-diagonal: [0] for patches of 8, [1] for larger ones, whose spectrum is denser.
POSITION_CLASSES = 6
POSITION_CLASS: NDArray[np.int64] = np.array(
    [
        [int(np.searchsorted([0, 1, 2, 4, 7], d)) for d in range(31)],
        [int(np.searchsorted([0, 1, 3, 7, 13], d)) for d in range(31)],
    ],
    np.int64,
)
SCAN_CLASS: NDArray[np.int64] = np.stack(
    [POSITION_CLASS[k][np.minimum(SCAN_Y[k] + SCAN_X[k], 30)] for k in range(2)]
)
"""Position class by index in the scan."""
LEVEL_POSITION_CLASSES = 3
LEVEL_POSITION_CLASS: NDArray[np.int64] = np.array([0, 1, 1, 2, 2, 2], np.int64)

# Last position, per axis: group of an index, its first index and its extra bits.
LAST_GROUP: NDArray[np.int64] = np.array([0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7], np.int64)
LAST_FIRST: NDArray[np.int64] = np.array([0, 1, 2, 3, 4, 6, 8, 12], np.int64)
LAST_EXTRA: NDArray[np.int64] = np.array([0, 0, 0, 0, 1, 1, 2, 2], np.int64)

PLANAR, DC, FIRST_ANGLE, HORIZONTAL, VERTICAL, LAST_ANGLE = 0, 1, 2, 10, 26, 34
INTRA_MODES = 35
# Displacement per row or column in 1/32 sample of the 33 directions, and 8192 / angle for the
# negative ones (ITU-T H.265, tables 8-5 and 8-6).
ANGLES: NDArray[np.int64] = np.array(
    [
        0,
        0,
        32,
        26,
        21,
        17,
        13,
        9,
        5,
        2,
        0,
        -2,
        -5,
        -9,
        -13,
        -17,
        -21,
        -26,
        -32,
        -26,
        -21,
        -17,
        -13,
        -9,
        -5,
        -2,
        0,
        2,
        5,
        9,
        13,
        17,
        21,
        26,
        32,
    ],
    np.int64,
)
INVERSE_ANGLES: NDArray[np.int64] = np.array(
    [0 if a >= 0 else int(np.rint(8192 / a)) for a in ANGLES], np.int64
)

# Quarter-sample interpolation (ITU-T H.265, table 8-11).
TAPS: NDArray[np.int64] = np.array(
    [
        [0, 0, 0, 64, 0, 0, 0, 0],
        [-1, 4, -10, 58, 17, -5, 1, 0],
        [-1, 4, -11, 40, 40, -11, 4, -1],
        [0, 1, -5, 17, 58, -10, 4, -1],
    ],
    np.int64,
)
MAX_VECTOR = 1023
"""Largest displacement component, in quarter samples."""
