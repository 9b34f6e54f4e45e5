"""Compile every kernel once and keep the machine code: ``python -m rankcast.kernels.warm``.

Runs each codec on tiny pictures of every kind, which compiles exactly the signatures that
streams use. `make setup` calls it, and both ends do before the first frame: loading kept
machine code would otherwise be part of the age of the first picture. The packets are kept beside
the machine code, so that a receiver loads the kernels of its decoders alone.
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
    CACHED,
    compile_lock,
    compiled_before,
    kept_with_kernels,
    mark_compiled,
)

log = logging.getLogger(__name__)

# A signature is a matter of types, hardly of sizes: the pictures are as small as they can be.
# What counts beside the dtype is whether there are one or three channels and whether 4:2:0 has to
# pad an odd side.
_SHAPES = ((24, 40), (24, 40, 3), (25, 41, 3))


def _pictures() -> list[Pixels]:
    generator = np.random.default_rng(1)
    return [
        generator.integers(0, 255, shape).astype(dtype)
        for dtype in (np.uint8, np.uint16)
        for shape in _SHAPES
    ]


def _striped() -> Pixels:
    """Patches of one vector at random strength, enough that one frame is worth own factors."""
    column = np.array([1, 1, -1, 1, -1, -1, 1, -1])
    strength = np.random.default_rng(5).integers(-60, 61, (20, 26))
    return (128 + np.kron(strength, np.ones((8, 1)) * column)).astype(np.uint8)


def warm(names: Iterable[str] | None = None) -> int:
    """Code and decode tiny pictures.

    Parameters
    ----------
    names : iterable of str, optional
        Codecs; the default is all of them.

    Returns
    -------
    int
        Number of packets that were coded and decoded.
    """
    streams: dict[str, list[list[bytes]]] = {}
    for name in CODECS_BY_NAME if names is None else names:
        _warm_models(name)
        streams[name] = _streams(name)
        _decode(streams[name])
    if names is None:
        mark_compiled(msgpack.packb(streams))
    return sum(len(stream) for name in streams for stream in streams[name])


def warm_decoder(name: str) -> int:
    """Decode tiny pictures of one codec, as they were kept when all kernels were compiled.

    Returns
    -------
    int
        Number of packets that were decoded.
    """
    kept = kept_with_kernels()
    try:
        streams = msgpack.unpackb(kept)[name] if kept else []
        _decode(streams)
    except (ValueError, KeyError, RankcastError) as exc:
        # Packets are of the wire format too, which may change while kernels stay as they are.
        log.debug("kept packets of %s: %s", name, exc)
        streams = []
    if not streams:
        return warm([name])
    _warm_models(name)
    return sum(map(len, streams))


def _warm_models(name: str) -> None:
    """Compile what runs only with a model; none is at hand."""
    compile_model_kernels = CODECS_BY_NAME[name].compile_model_kernels
    if compile_model_kernels is not None:
        compile_model_kernels()


def _streams(name: str) -> list[list[bytes]]:
    """Packets of tiny pictures, one list for each encoder."""
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
    """Entry point of ``python -m rankcast.kernels.warm``."""
    if not compiled_before():
        sys.stdout.write("compiling kernels: this takes one to two minutes\n")
        sys.stdout.flush()
    start = time.monotonic()
    # Sender and receiver that start together for the first time need one compilation, not two.
    with compile_lock():
        packets = warm()
    kept = "kept" if CACHED else "not kept: no writable folder"
    seconds = time.monotonic() - start
    sys.stdout.write(f"kernels ready after {seconds:.1f} s ({packets} packets, {kept})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
