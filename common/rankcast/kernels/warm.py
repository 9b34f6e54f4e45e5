"""Compile every kernel once and cache the machine code: ``python -m rankcast.kernels.warm``.

It runs each codec on tiny images of every kind, which compiles exactly the signatures that
streams use. `make setup` runs it, and both ends do before the first frame: otherwise loading
machine code would add to the age of the first image. The packets are stored beside the machine
code, so that a receiver can load the kernels of its decoders alone.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable

import msgpack
import numpy as np

from rankcast.codec import CODECS_BY_NAME
from rankcast.codec.gan.symbols import compile_kernels
from rankcast.codec.pca.frames import compile_scores
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

# Signatures depend on types, hardly on sizes, so the images are as small as possible. Besides the
# dtype, what matters is one channel or three, and an odd side that 4:2:0 has to pad.
_SHAPES = ((24, 40), (24, 40, 3), (25, 41, 3))
# Options that use kernels which the defaults never do.
_VARIANTS: dict[str, tuple[dict[str, object], ...]] = {
    "svd-patch": ({}, {"colour": "ycc444"}),
    "svd": ({}, {"colour": "ycc420"}, {"rank": 1.0}, {"engine": "exact"}),
    "pca": ({}, {"layout": "patches"}),
    # One iteration: kernels do not depend on the quality of the palette, the start-up time does.
    "kmeans": ({"max_iter": 1}, {"k": 150, "max_iter": 1}),
}


def _pictures() -> list[Pixels]:
    generator = np.random.default_rng(1)
    return [
        generator.integers(0, 255, shape).astype(dtype)
        for dtype in (np.uint8, np.uint16)
        for shape in _SHAPES
    ]


def _striped() -> Pixels:
    """Return patches of one vector at random strength, enough to make `svd-patch` send factors."""
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
        _warm_models(name)
        streams[name] = [] if name == "gan" else _streams(name)
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
        # Damaged, or of another wire format: that may change while the kernels do not.
        log.debug("stored packets of %s: %s", name, exc)
        streams = []
    if not streams:
        return warm([name])
    _warm_models(name)
    return sum(map(len, streams))


def _warm_models(name: str) -> None:
    """Compile the kernels that otherwise run only with a trained model."""
    if name == "gan":
        compile_kernels()
    if name == "pca":
        compile_scores()


def _streams(name: str) -> list[list[bytes]]:
    """Return packets of tiny images, one list per encoder."""
    streams = []
    for options in _VARIANTS.get(name, ({},)):
        # Two codecs depend on size: `svd` leaves small images to LAPACK, and `svd-patch` tries
        # factors of its own on larger ones only.
        larger = [_striped()] if name in ("svd", "svd-patch") and not options else []
        for picture in [*_pictures(), *larger]:
            encoder = Encoder(name, **options)
            # Three frames: the first, the second and later ones take different paths, to which
            # options add none.
            frames = 1 if options and name != "kmeans" else 3
            try:
                streams.append([encoder.encode(picture) for _ in range(frames)])
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
    # A sender and a receiver that start together for the first time compile only once.
    with compile_lock():
        packets = warm()
    kept = "cached" if compiled_before() else "not cached"
    seconds = time.monotonic() - start
    sys.stdout.write(f"kernels ready after {seconds:.1f} s ({packets} packets, {kept})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
