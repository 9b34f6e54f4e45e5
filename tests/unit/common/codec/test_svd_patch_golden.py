"""The codec `svd-patch` gives the same bits everywhere: threads, interpreter, repetition."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import rankcast
from rankcast.codec.svd_patch.payload import HAS_BASES, HAS_BORDERS, TABLE_AGAIN
from rankcast.codec.svd_patch.picture import _checksum
from rankcast.kernels import pool
from rankcast.wire import unpack
from support.moving_scene import scene
from support.packets import packets_of

pytestmark = pytest.mark.timeout(600)


GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "svd_patch"
FLAGS = {HAS_BASES, HAS_BORDERS, TABLE_AGAIN}


def golden_files() -> list[Path]:
    """Streams whose pictures must never change: packets, each behind its length."""
    return sorted(GOLDEN.glob("*.rks"))


def decode_golden(path: Path) -> int:
    """CRC-32 of all pictures of a golden stream."""
    crc, decoder = 0, rankcast.Decoder()
    for packet in packets_of(path):
        crc = zlib.crc32(decoder.decode(packet).tobytes(), crc)
    return crc


def test_golden_streams_cover_what_there_is() -> None:
    for pattern in ("*", "tiny_*"):
        found, flags = set(), set()
        for path in GOLDEN.glob(f"{pattern}.rks"):
            for packet in packets_of(path):
                header, body = unpack(packet).header, unpack(packet).body
                layout = int(header.params[0])
                found.add((header.codec, layout, header.dtype_bytes, header.kind.name))
                if header.codec == 3:
                    flags |= {flag for flag in FLAGS if body[0] & flag}
        # Layouts of svd-patch (3): grey, 4:2:0, 4:4:4, mosaic, channels.
        wanted = {(3, layout, depth, "PREDICTED") for layout in (0, 1) for depth in (1, 2)}
        wanted |= {(3, 2, 2, "PREDICTED"), (3, 3, 2, "PREDICTED")}
        # Transforms of lossless (4).
        wanted |= {(4, 1, 1, "KEY"), (4, 0, 2, "KEY")}
        if pattern == "*":
            # Pictures of two slices take too long to be interpreted.
            wanted |= {(3, 2, 1, "PREDICTED"), (3, 4, 1, "PREDICTED")}
            assert flags == FLAGS
        assert wanted <= found, pattern


@pytest.mark.parametrize("path", golden_files(), ids=lambda path: path.stem)
@pytest.mark.parametrize("threads", [1, 4])
def test_golden_streams_decode_to_the_same_pixels(path: Path, threads: int) -> None:
    before = pool.threads()
    rankcast.set_threads(threads)
    try:
        assert decode_golden(path) == int(path.with_suffix(".crc").read_text(), 16)
    finally:
        rankcast.set_threads(before)


_SCRIPT = """
import sys
sys.path[:0] = {paths!r}
from test_svd_patch_golden import GOLDEN, decode_golden
for name in {names!r}:
    path = GOLDEN / name
    assert decode_golden(path) == int(path.with_suffix(".crc").read_text(), 16), name
print("same")
"""


def _elsewhere(names: list[str], **environment: str) -> None:
    here = Path(__file__).resolve()
    root = here.parents[4]
    paths = [str(here.parent), str(root / "tests"), str(root / "common")]
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(paths=paths, names=names)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "same"


def test_golden_streams_decode_without_compilation_and_within_their_arrays() -> None:
    # numpy refuses the indices that NUMBA_BOUNDSCHECK would, without anything to compile.
    names = [path.name for path in golden_files() if path.stem.startswith("tiny")]
    assert names
    _elsewhere(names, NUMBA_DISABLE_JIT="1")


def test_the_checksum_is_that_of_exact_integers_compiled_or_not() -> None:
    # Three blocks and a part of one; of the largest samples, of noise, of nothing.
    planes = [np.full(3 * 4096 + 64, 65_535, np.uint16), np.zeros(64, np.uint16)]
    planes += [np.random.default_rng(0).integers(0, 65_536, 4 * 4096).astype(np.uint16)]
    interpreted = getattr(_checksum, "py_func", _checksum)
    exact, values = 0, [np.int64(0), np.int64(0)]
    for plane in planes:
        for start in range(0, len(plane), 4096):
            block = plane[start : start + 4096].tolist()
            total = sum(sample * (2 * i + 1) for i, sample in enumerate(block))
            exact = ((exact ^ total % 2**32) * 2654435761 + (total >> 32)) % 2**32
        # An overflow would be a warning, which is an error here.
        values = [
            function(plane, value)
            for function, value in zip((_checksum, interpreted), values, strict=True)
        ]
        assert [int(value) for value in values] == [exact, exact]


@pytest.mark.slow
def test_golden_streams_touch_nothing_out_of_bounds(tmp_path: Path) -> None:
    names = [path.name for path in golden_files()]
    _elsewhere(names, NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=str(tmp_path))


def test_the_number_of_threads_changes_no_byte() -> None:
    # Work at the top alone, so that slices share it out from the third picture on.
    images = [scene(0, (736, 1280)) for _ in range(4)]
    for number, image in enumerate(images):
        image[:160] = np.random.default_rng(number).integers(60, 120, (160, 1280))
    bodies = []
    for threads in (1, 4):
        encoder = rankcast.Encoder("svd-patch", threads=threads)
        bodies.append([bytes(unpack(encoder.encode(image)).body) for image in images])
    assert bodies[0] == bodies[1]
    assert [bool(body[0] & HAS_BORDERS) for body in bodies[0]] == [False, False, True, True]
