"""Palettes and index planes through the range coder; the bytes are those of docs/wire.md."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.kmeans.options import MAX_K
from rankcast.entropy.numbers import NUMBER_MODELS, code_number
from rankcast.entropy.rangecoder import (
    DECODING,
    OVERRUN,
    POSITION,
    REGISTERS,
    Bytes,
    Coder,
    code_bit,
    finish_encoder,
    new_coder,
    start_decoder,
    start_encoder,
)
from rankcast.errors import PayloadError
from rankcast.kernels import Integer, kernel

Palette = NDArray[np.int64]
"""(K, C)."""
Plane = NDArray[np.uint16]
"""(H, W)."""

_PATTERNS: Final = 64
_KNOWN_LEVELS: Final = 6
_SAME = REGISTERS
_TREE = _SAME + 3 * _PATTERNS
_NODES = (1 << _KNOWN_LEVELS) + 16
_PLANE_MODELS: Final = _TREE + 9 * _NODES - REGISTERS


def pack_palette(palette: Palette) -> bytes:
    """Code the colours of a palette, each against the one before."""
    coder = new_coder(NUMBER_MODELS * palette.shape[1])
    data = np.zeros(12 * palette.size + 64, np.uint8)
    start_encoder(coder, len(data))
    _code_palette(coder, data, palette, MAX_K)
    return _finished(coder, data)


def unpack_palette(body: memoryview, colours: int, channels: int, peak: int) -> Palette:
    """Read a palette of `pack_palette`.

    Raises
    ------
    PayloadError
        If the bytes are not exactly one.
    """
    palette = np.zeros((colours, channels), np.int64)
    coder, data = _reader(body, NUMBER_MODELS * channels)
    _code_palette(coder, data, palette, peak)
    if coder[OVERRUN] or coder[POSITION] < len(body):
        raise PayloadError("the palette ends early or goes on after its last colour")
    return palette


def pack_plane(plane: Plane, colours: int) -> bytes:
    """Code a band of the index plane."""
    if colours == 1:
        return b""
    # What a plane of noise takes and two flags more; pages that are not written cost nothing.
    for capacity in (plane.size * (colours.bit_length() + 2) // 8 + 1024, _most_bytes(plane)):
        coder = new_coder(_PLANE_MODELS)
        data = np.empty(capacity, np.uint8)
        start_encoder(coder, capacity)
        _code_plane(coder, data, plane, colours)
        if not coder[OVERRUN]:
            break
    return _finished(coder, data)


def _most_bytes(plane: Plane) -> int:
    # 16 cuts and 3 flags a sample, each of at most 16 bits and a hair.
    return 40 * plane.size + 64


def unpack_plane(body: memoryview, colours: int, plane: Plane) -> bool:
    """Read a band of `pack_plane` into `plane`; False if the bytes are not exactly one."""
    coder, data = _reader(body, _PLANE_MODELS)
    if colours > 1:
        _code_plane(coder, data, plane, colours)
    return not coder[OVERRUN] and bool(coder[POSITION] >= len(body))


def _finished(coder: Coder, data: Bytes) -> bytes:
    size = finish_encoder(coder, data)
    if coder[OVERRUN]:
        raise AssertionError("the buffer was too small")
    return data[:size].tobytes()


def _reader(body: memoryview, models: int) -> tuple[Coder, Bytes]:
    coder = new_coder(models)
    data = np.frombuffer(bytes(body) or b"\0", np.uint8).copy()
    start_decoder(coder, data, 0, len(body))
    return coder, data


@kernel
def _code_palette(coder: Coder, data: Bytes, palette: Palette, peak: Integer) -> None:
    """Write the palette, or read it into `palette`, clamped to 0..peak."""
    decoding = coder[DECODING] != 0
    for k in range(palette.shape[0]):
        if coder[OVERRUN] != 0:
            return
        for c in range(palette.shape[1]):
            before = palette[k - 1, c] if k > 0 else np.int64(0)
            step = code_number(coder, data, REGISTERS + c * NUMBER_MODELS, palette[k, c] - before)
            if decoding:
                palette[k, c] = min(max(before + step, 0), peak)


@kernel
def _code_plane(coder: Coder, data: Bytes, plane: Plane, colours: Integer) -> None:
    """Write the indices of a band, or read them into `plane`; all stay below `colours`."""
    height, width = plane.shape
    decoding = coder[DECODING] != 0
    whole = np.int64(1)
    while 2 * whole < colours:
        whole *= 2
    for i in range(height):
        if coder[OVERRUN] != 0:
            return
        for j in range(width):
            if i > 0:
                n = np.int64(plane[i - 1, j])
                w = np.int64(plane[i, j - 1]) if j > 0 else n
                nw = np.int64(plane[i - 1, j - 1]) if j > 0 else n
                ne = np.int64(plane[i - 1, j + 1]) if j + 1 < width else n
                nn = np.int64(plane[i - 2, j]) if i > 1 else n
            else:
                w = np.int64(plane[i, j - 1]) if j > 0 else np.int64(0)
                n = nw = ne = nn = w
            ww = np.int64(plane[i, j - 2]) if j > 1 else w
            pattern = (
                int(w == n) + 2 * int(n == nw) + 4 * int(n == ne) + 8 * int(w == nw)
                + 16 * int(ww == w) + 32 * int(nn == n)
            )  # fmt: skip
            actual = np.int64(plane[i, j])
            context = _SAME + pattern
            found = code_bit(coder, data, context, int(actual == w))
            same = w
            if found == 0 and n != w:
                found = code_bit(coder, data, context + _PATTERNS, int(actual == n))
                same = n
            if found == 0 and ne != w and ne != n:
                found = code_bit(coder, data, context + 2 * _PATTERNS, int(actual == ne))
                same = ne
            if found == 0:
                # Down the tree of the palette; at each cut, what the neighbours would say.
                lo, hi, half, node, level = np.int64(0), np.int64(colours), whole, 1, 0
                while hi - lo > 1:
                    while half >= hi - lo:
                        half >>= 1
                    middle = lo + half
                    left = (1 + int(w >= middle)) if lo <= w < hi else 0
                    upper = (1 + int(n >= middle)) if lo <= n < hi else 0
                    # Deep down the cut itself says little, and would take too long to learn.
                    place = node if level < _KNOWN_LEVELS else (1 << _KNOWN_LEVELS) + level - 6
                    bit = code_bit(
                        coder, data, _TREE + 9 * place + 3 * left + upper, int(actual >= middle)
                    )
                    if bit != 0:
                        lo = middle
                    else:
                        hi = middle
                    node = 2 * node + bit
                    level += 1
                same = lo
            if decoding:
                plane[i, j] = same
