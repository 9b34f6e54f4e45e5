"""Pixels to the matrices that are factorised, and rebuilt matrices back to pixels."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np

from rankcast import pool
from rankcast.core import function
from rankcast.frame import Pixels
from rankcast.numerics import Real, bands

_UINT8: Final = np.dtype(np.uint8)
_UINT16: Final = np.dtype(np.uint16)
_FLOAT32: Final = np.dtype(np.float32)
_FLOAT64: Final = np.dtype(np.float64)
_LOAD: Final = {
    (_UINT8, _FLOAT32): function("rk_svd_load_u8_f32"),
    (_UINT8, _FLOAT64): function("rk_svd_load_u8_f64"),
    (_UINT16, _FLOAT64): function("rk_svd_load_u16_f64"),
}
_STORE: Final = {
    (_FLOAT32, _UINT8): function("rk_svd_store_f32_u8"),
    (_FLOAT64, _UINT8): function("rk_svd_store_f64_u8"),
    (_FLOAT64, _UINT16): function("rk_svd_store_f64_u16"),
}
_FARTHEST: Final = {
    (_UINT8, _FLOAT32): function("rk_svd_farthest_u8_f32"),
    (_UINT8, _FLOAT64): function("rk_svd_farthest_u8_f64"),
    (_UINT16, _FLOAT64): function("rk_svd_farthest_u16_f64"),
}
_SQUARED_DISTANCE: Final = {
    _UINT8: function("rk_svd_squared_distance_u8"),
    _UINT16: function("rk_svd_squared_distance_u16"),
}


def as_channels(pixels: Pixels) -> Pixels:
    """View or copy of `pixels` as (H, W, C), contiguous and read-only."""
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
    load, channels = _LOAD[pixels.dtype, out.dtype], pixels.shape[2]
    tasks = [
        partial(load, pixels[band], out[band].size, channels, channel, out[band])
        for band in bands(pixels.shape[0])
    ]
    return sum(int(part) for part in pool.run(tasks))


def store_plane(a: Real, pixels: Pixels, channel: int) -> None:
    """Round `a` half to even, clip it and put it into one channel of `pixels` (H, W, C)."""
    store, channels = _STORE[a.dtype, pixels.dtype], pixels.shape[2]
    a = np.ascontiguousarray(a)
    pool.run(
        [
            partial(store, a[band], a[band].size, pixels[band], channels, channel)
            for band in bands(pixels.shape[0])
        ]
    )


def farthest(pixels: Pixels, channel: int, a: Real) -> float:
    """Largest absolute distance between one channel of `pixels` (H, W, C) and `a` (H, W)."""
    return float(_FARTHEST[pixels.dtype, a.dtype](pixels, a.size, pixels.shape[2], channel, a))


def squared_distance(a: Pixels, b: Pixels) -> int:
    """Sum of squared differences of two pictures (H, W, C) of `as_channels`."""
    distance = _SQUARED_DISTANCE[a.dtype]
    tasks = [partial(distance, a[band], b[band], a[band].size) for band in bands(a.shape[0])]
    return sum(int(part) for part in pool.run(tasks))
