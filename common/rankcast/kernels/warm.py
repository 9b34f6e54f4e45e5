"""Compile every kernel once and cache the machine code: ``python -m rankcast.kernels.warm``.

It runs each codec on tiny images of every kind, which compiles exactly the signatures that
streams use. `make setup` runs it, and so do both ends before the first frame: otherwise loading
machine code would delay the first image. The packets are stored next to the machine code, so that
a receiver can load only the kernels of its decoders.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable

import msgpack
import numpy as np

from rankcast.codec import CODECS_BY_NAME
from rankcast.decoder import Decoder
from rankcast.encoder import Encoder
from rankcast.errors import RankcastError, UnsupportedImageError
from rankcast.frame import Pixels
from rankcast.kernels.jit import (
    compile_lock,
    compiled_before,
    kept_with_kernels,
    mark_compiled,
)

log = logging.getLogger(__name__)

# Signatures depend on types and hardly on sizes, so the images are tiny. Apart from the dtype, only
# the number of channels (one or three) and an odd side, which 4:2:0 has to pad, matter.
_SHAPES = ((24, 40), (24, 40, 3), (25, 41, 3))


def _pictures() -> list[Pixels]:
    generator = np.random.default_rng(1)
    return [
        generator.integers(0, 255, shape).astype(dtype)
        for dtype in (np.uint8, np.uint16)
        for shape in _SHAPES
    ]


def _striped() -> Pixels:
    """Return patches that are random multiples of one vector, so that `svd-patch` sends factors."""
    column = np.array([1, 1, -1, 1, -1, -1, 1, -1])
    strength = np.random.default_rng(5).integers(-60, 61, (20, 26))
    return (128 + np.kron(strength, np.ones((8, 1)) * column)).astype(np.uint8)


def warm(names: Iterable[str] | None = None) -> int:
    """Encode and decode tiny images.

    Parameters
    ----------
    names : iterable of str, optional
        Codecs; all of them by default.

    Returns
    -------
    int
        Number of packets that were encoded and decoded.
    """
    streams: dict[str, list[list[bytes]]] = {}
    for name in CODECS_BY_NAME if names is None else names:
        streams[name] = _streams(name)
        _decode(streams[name])
    if names is None:
        mark_compiled(msgpack.packb(streams))
    return sum(len(stream) for name in streams for stream in streams[name])


def warm_decoder(name: str) -> int:
    """Decode the tiny images of one codec that were stored when all kernels were compiled.

    Returns
    -------
    int
        Number of packets that were decoded.
    """
    kept = kept_with_kernels()
    try:
        streams = msgpack.unpackb(kept)[name] if kept else []
        _decode(streams)
    except (ValueError, KeyError, TypeError, RankcastError) as exc:
        # Damaged, or from another wire format, which may change while the kernels do not.
        log.debug("stored packets of %s: %s", name, exc)
        streams = []
    if not streams:
        return warm([name])
    return sum(map(len, streams))


def _streams(name: str) -> list[list[bytes]]:
    """Return packets of tiny pictures, one list per encoder."""
    streams = []
    for warm_up in CODECS_BY_NAME[name].warm_ups:
        larger = [_striped()] if warm_up.large_picture else []
        for picture in [*_pictures(), *larger]:
            encoder = Encoder(name, **warm_up.options)
            try:
                streams.append([encoder.encode(picture) for _ in range(warm_up.frames)])
            except UnsupportedImageError as exc:
                log.debug("%s: %s", name, exc)
    return streams


def _decode(streams: Iterable[Iterable[bytes]]) -> None:
    for stream in streams:
        decoder = Decoder()
        for packet in stream:
            decoder.decode(packet)


def main() -> int:
    """Run ``python -m rankcast.kernels.warm``."""
    if not compiled_before():
        sys.stdout.write("compiling kernels: this takes one to two minutes\n")
        sys.stdout.flush()
    start = time.monotonic()
    # If sender and receiver start together for the first time, only one of them compiles.
    with compile_lock():
        packets = warm()
    kept = "cached" if compiled_before() else "not cached"
    seconds = time.monotonic() - start
    sys.stdout.write(f"kernels ready after {seconds:.1f} s ({packets} packets, {kept})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
