"""What decoding a JPEG file would cost, from its markers alone: libjpeg itself sets no limit.

Every scan makes libjpeg go over its components from the first block to the last, even if the scan
holds no data, and the decoder rebuilds its tables for every segment between two scans. A file of
88 kB can hold thousands of scans and so keep a processor busy for 20 s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

MAX_SEGMENTS: Final = 1024
"""Segments of one file. A colour profile takes 255 at most, and cameras write some dozens."""
MAX_SCANS: Final = 100
"""Scans of a progressive file. libjpeg and cameras write 10, the most eager optimisers 64; each
takes 0.3 ns a sample if it is empty."""

# Markers of ITU-T T.81, table B.1.
START_OF_IMAGE: Final = 0xD8
START_OF_SCAN: Final = 0xDA
START_OF_FRAME: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
SEQUENTIAL: Final = (0xC0, 0xC1)
"""Baseline and extended, with Huffman codes."""
_PROGRESSIVE: Final = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_END_OF_IMAGE: Final = 0xD9
_ENDS: Final = frozenset(range(0xC0, 0xFF)) - frozenset(range(0xD0, 0xD8))
"""Markers that end the data of a scan. Restarts belong to it; what is below 0xC0 has no length, and
libjpeg passes over it or gives up."""
_IS_END: Final = np.isin(np.arange(256), list(_ENDS))
_FIRST_CHUNK_BYTES: Final = 1 << 8
_CHUNK_BYTES: Final = 1 << 16


def jpeg_segments(data: bytes | memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield marker and body of every segment, also of those between scans.

    The markers are found as libjpeg finds them: fill bytes and whatever follows the data of a scan
    are passed over, and so is the data itself. Ends at the first damage.
    """
    view = memoryview(data)
    offset = 2
    while True:
        offset = _next_marker(view, offset)
        if offset + 4 > len(view):
            return
        marker = view[offset + 1]
        if marker in (_END_OF_IMAGE, START_OF_IMAGE):
            return
        offset += 2
        length = int.from_bytes(view[offset : offset + 2], "big")
        if length < 2 or offset + length > len(view):
            return
        yield marker, view[offset + 2 : offset + length]
        offset += length


def jpeg_excess(data: bytes | memoryview) -> str:
    """Return why a JPEG file would take too long to decode; empty if it would not.

    Damage is none of the reasons: libjpeg reports it.
    """
    progressive = False
    segments = scans = 0
    coded: Counter[int] = Counter()
    for marker, body in jpeg_segments(data):
        segments += 1
        if segments > MAX_SEGMENTS:
            return f"has more than {MAX_SEGMENTS} segments"
        if marker in START_OF_FRAME:
            progressive = marker in _PROGRESSIVE
        elif marker == START_OF_SCAN:
            scans += 1
            if scans > MAX_SCANS:
                return f"has more than {MAX_SCANS} scans"
            if progressive:
                continue
            # T.81, A.2: a sequential file codes each component in one scan.
            coded.update(body[1 : 1 + 2 * body[0] : 2] if body else b"")
            if any(times > 1 for times in coded.values()):
                return f"is sequential and codes a component again in scan {scans}"
    return ""


def _next_marker(view: memoryview, offset: int) -> int:
    """Return where the next marker with a segment stands, or the end of the image or the data.

    Vectorised, because hostile data may consist of 0xFF alone; chunks grow, because the next marker
    is often the next byte.
    """
    size = _FIRST_CHUNK_BYTES
    while offset + 1 < len(view):
        if view[offset] == 0xFF and view[offset + 1] in _ENDS:
            return offset
        chunk = np.frombuffer(view[offset : offset + size], np.uint8)
        (found,) = np.nonzero(chunk[:-1] == 0xFF)
        (ends,) = np.nonzero(_IS_END[chunk[found + 1]])
        if len(ends):
            return offset + int(found[ends[0]])
        offset += len(chunk) - 1
        size = min(2 * size, _CHUNK_BYTES)
    return len(view)
