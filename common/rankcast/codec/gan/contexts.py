"""Contexts: which adaptive model a flag takes, by the levels that both ends know already."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.gan.layout import (
    BAND_MODELS,
    BANDS,
    BLOCK_MODELS,
    CHANNEL_MODELS,
    SIGN_MODELS,
    STRIDE,
)
from rankcast.kernels import Integer, lean_kernel


@lean_kernel
def size_class(total: Integer) -> Integer:
    """0, 1, 2, 3 to 4, 5 to 8, more."""
    if total <= 2:
        return total
    if total <= 4:
        return 3
    return 4 if total <= 8 else 5


@lean_kernel
def around_of(levels: NDArray[np.int32], r: Integer, c: Integer, channel: Integer) -> Integer:
    """Magnitudes of the same channel around: twice left and up, once the diagonals."""
    total = np.int64(0)
    if c > 0:
        total += 2 * abs(np.int64(levels[r, c - 1, channel]))
    if r > 0:
        total += 2 * abs(np.int64(levels[r - 1, c, channel]))
        if c > 0:
            total += abs(np.int64(levels[r - 1, c - 1, channel]))
        if c + 1 < levels.shape[1]:
            total += abs(np.int64(levels[r - 1, c + 1, channel]))
    return total


@lean_kernel
def inside_of(
    levels: NDArray[np.int32], table: NDArray[np.int64], r: Integer, c: Integer, channel: Integer
) -> Integer:
    """Magnitudes at this position: of the two channels before, and of Y at the same frequency."""
    total = np.int64(0)
    plane = table[channel, 0]
    if channel > 0 and table[channel - 1, 0] == plane:
        total += 2 * abs(np.int64(levels[r, c, channel - 1]))
        if channel > 1 and table[channel - 2, 0] == plane:
            total += abs(np.int64(levels[r, c, channel - 2]))
    same = table[channel, 2]
    if same >= 0:
        total += abs(np.int64(levels[r, c, same]))
    return total


@lean_kernel
def sign_context(levels: NDArray[np.int32], r: Integer, c: Integer, channel: Integer) -> Integer:
    """Model of a sign, by the signs left and up."""
    left = up = np.int64(1)
    if c > 0:
        value = levels[r, c - 1, channel]
        left += int(value > 0) - int(value < 0)
    if r > 0:
        value = levels[r - 1, c, channel]
        up += int(value > 0) - int(value < 0)
    return CHANNEL_MODELS + channel * STRIDE + SIGN_MODELS + left * 3 + up


@lean_kernel
def block_coded(levels: NDArray[np.int32], r: Integer, c: Integer) -> Integer:
    """1 if any level of this position is not 0."""
    for channel in range(levels.shape[2]):
        if levels[r, c, channel] != 0:
            return 1
    return 0


@lean_kernel
def block_context(levels: NDArray[np.int32], r: Integer, c: Integer) -> Integer:
    """Model of a position's flag, by how many around it are coded."""
    total = np.int64(0)
    if c > 0:
        total += block_coded(levels, r, c - 1)
    if r > 0:
        total += block_coded(levels, r - 1, c)
        if c > 0:
            total += block_coded(levels, r - 1, c - 1)
        if c + 1 < levels.shape[1]:
            total += block_coded(levels, r - 1, c + 1)
    return BLOCK_MODELS + total


@lean_kernel
def band_coded(
    levels: NDArray[np.int32], r: Integer, c: Integer, start: Integer, end: Integer
) -> Integer:
    """1 if any level of this band is not 0."""
    for channel in range(start, end):
        if levels[r, c, channel] != 0:
            return 1
    return 0


@lean_kernel
def band_context(
    levels: NDArray[np.int32],
    table: NDArray[np.int64],
    r: Integer,
    c: Integer,
    start: Integer,
    end: Integer,
    before: Integer,
) -> Integer:
    """Model of a band's flag, by the same band left and up and by the band before."""
    near = np.int64(0)
    if c > 0:
        near += band_coded(levels, r, c - 1, start, end)
    if r > 0:
        near += band_coded(levels, r - 1, c, start, end)
    return BAND_MODELS + ((table[start, 0] * BANDS + table[start, 1]) * 3 + near) * 2 + before


@lean_kernel
def band_end(table: NDArray[np.int64], start: Integer) -> Integer:
    """Channel after the last one of the band that begins at `start`."""
    end = start + 1
    while (
        end < table.shape[0]
        and table[end, 0] == table[start, 0]
        and table[end, 1] == table[start, 1]
    ):
        end += 1
    return end
