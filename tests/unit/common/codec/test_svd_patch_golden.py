"""The codec `svd-patch` gives the same bits everywhere: threads, SIMD levels, repetition."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import rankcast
from rankcast import pool
from rankcast.codec.svd_patch.payload import HAS_BASES, HAS_BORDERS, TABLE_AGAIN
from rankcast.core import function
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
            decoder = rankcast.Decoder()
            for packet in packets_of(path):
                complete = decoder.complete(unpack(packet))
                decoder.decode_packet(complete)
                header, body = complete.header, complete.body
                layout = int(header.params[0])
                found.add((header.codec, layout, header.dtype_bytes, header.kind.name))
                if header.codec == 3:
                    flags |= {flag for flag in FLAGS if body[0] & flag}
        # Layouts of svd-patch (3): grey, 4:2:0, 4:4:4, mosaic, channels.
        wanted = {(3, layout, depth, "PREDICTED") for layout in (0, 1) for depth in (1, 2)}
        wanted |= {(3, 2, 2, "PREDICTED"), (3, 3, 2, "PREDICTED")}
        wanted.add((3, 1, 1, "REFERENCE"))
        # Transforms of lossless (4).
        wanted |= {(4, 1, 1, "KEY"), (4, 0, 2, "KEY")}
        if pattern == "*":
            # Pictures of two slices are large.
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


def test_golden_streams_decode_to_the_same_pixels_at_the_lowest_level() -> None:
    _elsewhere([path.name for path in golden_files()], RANKCAST_LEVEL="2")


_WRITE = """
import sys, zlib
sys.path[:0] = {paths!r}
from rankcast.wire import unpack
from support.moving_scene import stream
packets = stream(4, colour="ycc444") + stream(4, quality=95)
packets += stream(4, effort="fast") + stream(4, effort="best")
print(zlib.crc32(b"".join(bytes(unpack(packet).body) for packet in packets)))
"""


def test_both_levels_write_the_same_bytes() -> None:
    root = Path(__file__).resolve().parents[4]
    script = _WRITE.format(paths=[str(root / "tests"), str(root / "common")])
    found = [
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"RANKCAST_LEVEL": level},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout
        for level in ("2", "3")
    ]
    assert found[0] == found[1]


def test_the_checksum_is_that_of_exact_integers() -> None:
    # Three blocks and a part of one; of the largest samples, of noise, of nothing.
    planes = [np.full(3 * 4096 + 64, 65_535, np.uint16), np.zeros(64, np.uint16)]
    planes += [np.random.default_rng(0).integers(0, 65_536, 4 * 4096).astype(np.uint16)]
    checksum = function("rk_svd_patch_checksum")
    exact = value = 0
    for plane in planes:
        for start in range(0, len(plane), 4096):
            block = plane[start : start + 4096].tolist()
            total = sum(sample * (2 * i + 1) for i, sample in enumerate(block))
            exact = ((exact ^ total % 2**32) * 2654435761 + (total >> 32)) % 2**32
        value = checksum(plane, len(plane), value)
        assert value == exact


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
