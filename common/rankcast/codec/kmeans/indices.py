"""Palettes and index planes through the range coder; the bytes are those of docs/wire.md."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.core import function
from rankcast.errors import PayloadError

Palette = NDArray[np.int64]
"""(K, C)."""
Plane = NDArray[np.uint16]
"""(H, W)."""

MAX_K: Final = 65_536
"""Most colours of a palette: an index has 16 bits."""

_PACK_PALETTE: Final = function("rk_kmeans_pack_palette")
_UNPACK_PALETTE: Final = function("rk_kmeans_unpack_palette")
_PACK_PLANE: Final = function("rk_kmeans_pack_plane")
_UNPACK_PLANE: Final = function("rk_kmeans_unpack_plane")


def pack_palette(palette: Palette) -> bytes:
    """Code the colours of a palette, each against the one before."""
    data = np.empty(12 * palette.size + 64, np.uint8)
    size = _PACK_PALETTE(palette, *palette.shape, data, len(data))
    if size < 0:
        raise AssertionError("the buffer was too small")
    return data[:size].tobytes()


def unpack_palette(body: memoryview, colours: int, channels: int, peak: int) -> Palette:
    """Read a palette of `pack_palette`.

    Raises
    ------
    PayloadError
        If the bytes are not exactly one.
    """
    palette = np.zeros((colours, channels), np.int64)
    data = np.frombuffer(body, np.uint8)
    if _UNPACK_PALETTE(data, len(data), colours, channels, peak, palette) < 0:
        raise PayloadError("the palette ends early or goes on after its last colour")
    return palette


def pack_plane(plane: Plane, colours: int) -> bytes:
    """Code a band of the index plane."""
    if colours == 1:
        return b""
    # What a plane of noise takes and two flags more; pages that are not written cost nothing.
    for capacity in (plane.size * (colours.bit_length() + 2) // 8 + 1024, _most_bytes(plane)):
        data = np.empty(capacity, np.uint8)
        size = _PACK_PLANE(plane, *plane.shape, colours, data, capacity)
        if size >= 0:
            return data[:size].tobytes()
    raise AssertionError("the buffer was too small")


def _most_bytes(plane: Plane) -> int:
    # 16 cuts and 3 flags a sample, each of at most 16 bits and a hair.
    return 40 * plane.size + 64


def unpack_plane(body: memoryview, colours: int, plane: Plane) -> bool:
    """Read a band of `pack_plane` into `plane`; False if the bytes are not exactly one."""
    data = np.frombuffer(body, np.uint8)
    return bool(_UNPACK_PLANE(data, len(data), colours, plane, *plane.shape) >= 0)
