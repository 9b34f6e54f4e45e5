"""Decoder of the codec `kmeans`: palettes and index planes to pictures."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from rankcast import pool
from rankcast.codec.bands import row_bands
from rankcast.codec.kmeans.indices import MAX_K, Palette, unpack_palette, unpack_plane
from rankcast.errors import PayloadError
from rankcast.frame import Pixels, channels_of
from rankcast.wire import Header, Limits


class KMeansDecoder:
    """Looks every index up in the palette; indices are below its size by construction."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def decode(self, header: Header, body: memoryview) -> Pixels:
        """Rebuild one picture; see CodecDecoder."""
        shape = header.shape or ()
        colours = _colours(header)
        bands = row_bands(shape)
        parts = _split(body, 1 + len(bands))
        peak = (1 << (8 * header.dtype_bytes)) - 1
        palette = unpack_palette(parts[0], colours, channels_of(shape), peak)
        table = palette.astype(header.dtype)
        pixels: Pixels = np.empty((*shape[:2], channels_of(shape)), header.dtype)

        def task(first: int, last: int, part: memoryview) -> Callable[[], bool]:
            def rebuild_band() -> bool:
                plane = np.zeros((last - first, shape[1]), np.uint16)
                if not unpack_plane(part, colours, plane):
                    return False
                np.take(table, plane, axis=0, out=pixels[first:last], mode="clip")
                return True

            return rebuild_band

        tasks = [task(*band, part) for band, part in zip(bands, parts[1:], strict=True)]
        if not all(pool.run(tasks)):
            raise PayloadError("a band ends early or goes on after its last sample")
        return pixels.reshape(shape)


def read_palette(header: Header, body: memoryview) -> Palette:
    """Colours of the palette of a packet, (K, C).

    Raises
    ------
    PayloadError
        If header and body contradict each other.
    """
    shape = header.shape or ()
    part = _split(body, 1 + len(row_bands(shape)))[0]
    peak = (1 << (8 * header.dtype_bytes)) - 1
    return unpack_palette(part, _colours(header), channels_of(shape), peak)


def _colours(header: Header) -> int:
    shape = header.shape or (0, 0)
    most = min(MAX_K, shape[0] * shape[1])
    if len(header.params) != 1 or header.params[0] not in range(1, most + 1):
        raise PayloadError(f"got kmeans parameters {header.params!r:.40}, want colours 1..{most}")
    return int(header.params[0])


def _split(body: memoryview, count: int) -> list[memoryview]:
    """Cut a body into `count` parts; the lengths of all but the last stand before them."""
    at = 4 * (count - 1)
    if len(body) < at:
        raise PayloadError(f"got {len(body)} bytes, {at} of lengths are wanted")
    cuts = [at]
    for k in range(count - 1):
        cuts.append(cuts[-1] + int.from_bytes(body[4 * k : 4 * k + 4], "little"))
    if cuts[-1] > len(body):
        raise PayloadError(f"got {len(body)} bytes, the lengths inside promise {cuts[-1]}")
    cuts.append(len(body))
    return [body[first:last] for first, last in itertools.pairwise(cuts)]
