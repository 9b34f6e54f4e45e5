"""Channels as matrices of observations and variables: rows, or patches."""

from __future__ import annotations

from typing import Final

import numpy as np

from rankcast.frame import Pixels
from rankcast.numerics import Real

LAYOUTS: Final = ("rows", "patches", "frames")
DEFAULT_VARIANCE: Final = 0.98
"""Share of the variance that is kept unless an option says otherwise."""
DEFAULT_PATCH: Final = 8
MAX_PATCH: Final = 64


def matrix_shape(height: int, width: int, patch: int) -> tuple[int, int]:
    """Observations and variables of a channel; `patch` 0 means rows."""
    if not patch:
        return height, width
    return -(-height // patch) * -(-width // patch), patch * patch


def to_matrix(channel: Pixels, patch: int) -> Pixels:
    """Cut a channel (H, W) into observations (m, n); its last row and column are repeated."""
    if not patch:
        return channel
    height, width = channel.shape
    padded = np.pad(channel, ((0, -height % patch), (0, -width % patch)), mode="edge")
    rows, columns = padded.shape[0] // patch, padded.shape[1] // patch
    blocks = padded.reshape(rows, patch, columns, patch).swapaxes(1, 2)
    return blocks.reshape(rows * columns, patch * patch)


def from_matrix(x: Real, height: int, width: int, patch: int) -> Real:
    """Put observations (m, n) together to a channel (H, W)."""
    if not patch:
        return x
    rows, columns = -(-height // patch), -(-width // patch)
    blocks = x.reshape(rows, columns, patch, patch).swapaxes(1, 2)
    whole: Real = blocks.reshape(rows * patch, columns * patch)[:height, :width]
    return np.ascontiguousarray(whole)
