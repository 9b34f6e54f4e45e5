"""Compile every kernel once and keep the machine code: ``python -m rankcast.warm``.

Runs each codec on tiny pictures of every kind, which compiles exactly the signatures that
streams use. `make setup` calls it, and both ends do before the first frame: loading kept
machine code takes a third of a second, which would otherwise be the age of the first picture.
"""

from __future__ import annotations

import itertools
import logging
import sys
import time
from collections.abc import Iterable

import numpy as np

from rankcast.codec import CODECS_BY_NAME
from rankcast.decoder import Decoder
from rankcast.encoder import Encoder
from rankcast.errors import UnsupportedImageError
from rankcast.frame import Pixels
from rankcast.jit import CACHED, compiled_before

log = logging.getLogger(__name__)

# Options that lead to kernels which the defaults never touch.
_VARIANTS: dict[str, tuple[dict[str, object], ...]] = {
    "svd-patch": ({}, {"colour": "ycc444"}),
    "svd": ({}, {"colour": "ycc420"}, {"rank": 1.0}),
}


def _pictures() -> list[Pixels]:
    values = np.random.default_rng(1).integers(0, 255, (160, 208, 3))
    pictures: list[Pixels] = []
    for dtype, colour in itertools.product((np.uint8, np.uint16), (False, True)):
        picture = values.astype(dtype)
        pictures.append(picture if colour else np.ascontiguousarray(picture[:, :, 0]))
    return pictures


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
    if not compiled_before():
        log.info("compiling kernels: the first start takes some seconds longer")
    packets = 0
    for name in CODECS_BY_NAME if names is None else names:
        for options in _VARIANTS.get(name, ({},)):
            for picture in _pictures():
                encoder, decoder = Encoder(name, **options), Decoder()
                try:
                    # Three frames: first, second and steady state take different paths.
                    for _ in range(3):
                        decoder.decode(encoder.encode(picture))
                        packets += 1
                except UnsupportedImageError as exc:
                    log.debug("%s: %s", name, exc)
    return packets


def main() -> int:
    """Entry point of ``python -m rankcast.warm``."""
    start = time.monotonic()
    packets = warm()
    kept = "kept" if CACHED else "not kept: no writable folder"
    seconds = time.monotonic() - start
    sys.stdout.write(f"kernels ready after {seconds:.1f} s ({packets} packets, {kept})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
