"""Constants of the format that Python needs: sizes, steps and the table of the transform."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

UNIT: Final = 8
"""Side of the smallest patch; all maps hold one entry per 8 x 8 samples."""
CELL: Final = 32
"""Side of the largest patch."""
STEP_ONE: Final = 16
"""A quantiser step of one grey level; steps travel in sixteenths."""
BASIS_BITS_8: Final = 10
"""Fractional bits of the basis of 8-bit planes: under 0.1 dB lost at 51 dB."""
BASIS_BITS_16: Final = 15


def cosine_table(side: int, bits: int) -> NDArray[np.int32]:
    """Orthonormal DCT-II with `bits` fractional bits; column k is basis function k."""
    n = np.arange(side)
    table = np.cos(np.pi * (2 * n[:, None] + 1) * n[None, :] / (2 * side)) * np.sqrt(2 / side)
    table[:, 0] = np.sqrt(1 / side)
    rounded: NDArray[np.int32] = np.rint(table * (1 << bits)).astype(np.int32)
    return rounded
