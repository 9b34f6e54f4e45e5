"""Layout of the code: planes, bands and channels, and where the adaptive models of each lie."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.entropy.rangecoder import REGISTERS

PLANES: Final = 3
BAND_EDGES: Final = (1, 6, 15, 28, 64)
"""Ends of the bands of a plane, in channels by rising frequency: diagonals of an 8 x 8 DCT."""

BANDS = len(BAND_EDGES)
BLOCK_MODELS = REGISTERS
"""[coded blocks among left, up, upper left, upper right 5]"""
BAND_MODELS = BLOCK_MODELS + 5
"""[plane 3][band 5][left + up coded 3][the band before coded 2]"""
CHANNEL_MODELS = BAND_MODELS + PLANES * BANDS * 6
"""[channel], each with three groups:

[around 6][inside 5] significance, [around + inside 6][bin 12] level, [left 3][up 3] sign."""
LEVEL_MODELS = 30
BINS = 12
SIGN_MODELS = LEVEL_MODELS + 6 * BINS
STRIDE = SIGN_MODELS + 9
"""Models of a channel."""


def channel_table(luma: int, chroma: int) -> NDArray[np.int64]:
    """Say which plane and band each channel belongs to.

    Parameters
    ----------
    luma, chroma : int
        Channels of Y, and of each of Cb and Cr, by rising frequency; 1 to 64.

    Returns
    -------
    ndarray, shape (luma + 2 chroma, 3), int64
        Plane, band, and the channel of the first plane at the same frequency (-1: none).
    """
    rows = []
    for plane, count in enumerate((luma, chroma, chroma)):
        for index in range(count):
            band = next(n for n, edge in enumerate(BAND_EDGES) if index < edge)
            same = index if plane and index < luma else -1
            rows.append((plane, band, same))
    return np.array(rows, np.int64)


def context_count(channels: int) -> int:
    """Adaptive models that a code of `channels` channels takes."""
    return CHANNEL_MODELS - REGISTERS + channels * STRIDE
