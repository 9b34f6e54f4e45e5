"""Pixels to the matrices that are factorised, and rebuilt matrices back to pixels."""

from __future__ import annotations

from functools import partial

import numpy as np

from rankcast.frame import Pixels
from rankcast.kernels import kernel, pool
from rankcast.numerics import Real, bands


@kernel
def _load(pixels: Pixels, channel: int, first: int, last: int, out: Real) -> np.int64:
    """Copy rows first..last of one channel to `out`; return their sum of squares."""
    squares = np.int64(0)
    for i in range(first, last):
        for j in range(pixels.shape[1]):
            value = np.int64(pixels[i, j, channel])
            squares += value * value
            out[i, j] = value
    return squares


@kernel
def _store(a: Real, first: int, last: int, peak: float, pixels: Pixels, channel: int) -> None:
    """Round rows first..last of `a` half to even, clip to 0..peak, put them into one channel."""
    for i in range(first, last):
        for j in range(pixels.shape[1]):
            pixels[i, j, channel] = min(max(np.rint(a[i, j]), 0.0), peak)


@kernel
def _farthest(pixels: Pixels, channel: int, first: int, last: int, a: Real) -> float:
    """Largest distance between rows first..last of one channel and `a`."""
    most = 0.0
    for i in range(first, last):
        for j in range(pixels.shape[1]):
            distance = abs(np.float64(a[i, j]) - np.float64(pixels[i, j, channel]))
            most = max(most, distance)
    return most


@kernel
def _squared_distance(a: Pixels, b: Pixels, first: int, last: int) -> np.int64:
    squares = np.int64(0)
    for i in range(first, last):
        for j in range(a.shape[1]):
            for c in range(a.shape[2]):
                d = np.int64(a[i, j, c]) - np.int64(b[i, j, c])
                squares += d * d
    return squares


def as_channels(pixels: Pixels) -> Pixels:
    """View or copy of `pixels` as (H, W, C), contiguous and read-only."""
    # One layout and one mutability: kernels are compiled once for each combination.
    channels = np.ascontiguousarray(pixels)
    channels = channels.reshape(*channels.shape[:2], -1)
    channels.flags.writeable = False
    return channels


def load_plane(pixels: Pixels, channel: int, out: Real) -> int:
    """Copy one channel of `pixels` to `out`.

    Parameters
    ----------
    pixels : ndarray, shape (H, W, C), from `as_channels`
    channel : int
    out : ndarray, shape (H, W), float32 or float64

    Returns
    -------
    int
        Sum of the squared samples, exact.
    """
    tasks = [
        partial(_load, pixels, channel, band.start, band.stop, out)
        for band in bands(pixels.shape[0])
    ]
    return sum(int(part) for part in pool.run(tasks))


def store_plane(a: Real, pixels: Pixels, channel: int) -> None:
    """Round `a` half to even, clip it and put it into one channel of `pixels` (H, W, C)."""
    peak = float(np.iinfo(pixels.dtype).max)
    pool.run(
        [
            partial(_store, a, band.start, band.stop, peak, pixels, channel)
            for band in bands(pixels.shape[0])
        ]
    )


def farthest(pixels: Pixels, channel: int, a: Real) -> float:
    """Largest absolute distance between one channel of `pixels` (H, W, C) and `a` (H, W)."""
    return float(_farthest(pixels, channel, 0, pixels.shape[0], a))


def squared_distance(a: Pixels, b: Pixels) -> int:
    """Sum of squared differences of two pictures (H, W, C) of `as_channels`."""
    tasks = [partial(_squared_distance, a, b, band.start, band.stop) for band in bands(a.shape[0])]
    return sum(int(part) for part in pool.run(tasks))
