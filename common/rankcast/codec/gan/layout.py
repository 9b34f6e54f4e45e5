"""Layout of the code: planes, bands and channels, and how many adaptive models they take."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

KIND: Final = "gan"
"""Kind of the model files, as they state it."""
LEAST_STEP: Final = 0.25
MOST_STEP: Final = 4.0
"""Range of what multiplies the learned quantiser steps."""
BAND_EDGES: Final = (1, 6, 15, 28, 64)
"""Ends of the bands of a plane, in channels by rising frequency: diagonals of an 8 x 8 DCT."""
_PLANES: Final = 3
_SHARED_MODELS: Final = 5 + _PLANES * len(BAND_EDGES) * 3 * 2
"""Of positions, and of each band of each plane."""
_CHANNEL_MODELS: Final = 6 * 5 + 6 * 12 + 3 * 3
"""Of each channel: significance, level and sign."""


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
    return _SHARED_MODELS + channels * _CHANNEL_MODELS
