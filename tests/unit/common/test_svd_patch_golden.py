"""The codec `svd-patch` gives the same bits everywhere: threads, interpreter, repetition."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import pytest

import rankcast
from moving_scene import scene
from rankcast import pool
from rankcast.wire import unpack

pytestmark = pytest.mark.timeout(600)


GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "svd_patch"


def golden_files() -> list[Path]:
    """Streams whose pictures must never change: packets, each behind its length."""
    return sorted(GOLDEN.glob("*.rks"))


def packets_of(path: Path) -> list[bytes]:
    """Packets of a golden stream."""
    data, packets, position = path.read_bytes(), [], 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "little")
        packets.append(data[position + 4 : position + 4 + size])
        position += 4 + size
    return packets


def decode_golden(path: Path) -> int:
    """CRC-32 of all pictures of a golden stream."""
    crc, decoder = 0, rankcast.Decoder()
    for packet in packets_of(path):
        crc = zlib.crc32(decoder.decode(packet).tobytes(), crc)
    return crc


def test_golden_streams_cover_what_there_is() -> None:
    for pattern in ("*", "tiny_*"):
        found = set()
        for path in GOLDEN.glob(f"{pattern}.rks"):
            for packet in packets_of(path):
                header = unpack(packet).header
                layout = int(header.params[0])
                found.add((header.codec, layout, header.dtype_bytes, header.kind.name))
        # Layouts of svd-patch (3): grey, 4:2:0, 4:4:4, mosaic; transforms of lossless (4).
        wanted = {(3, layout, depth, "PREDICTED") for layout in (0, 1) for depth in (1, 2)}
        wanted |= {(3, 2, 2, "PREDICTED"), (3, 3, 2, "PREDICTED")}
        wanted |= {(4, 1, 1, "KEY"), (4, 0, 2, "KEY")}
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
    root = here.parents[3]
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


def test_golden_streams_decode_without_compilation() -> None:
    names = [path.name for path in golden_files() if path.stem.startswith("tiny")]
    assert names
    _elsewhere(names, NUMBA_DISABLE_JIT="1")


@pytest.mark.slow
def test_golden_streams_touch_nothing_out_of_bounds(tmp_path: Path) -> None:
    names = [path.name for path in golden_files()]
    _elsewhere(names, NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=str(tmp_path))


def test_the_number_of_threads_changes_no_byte() -> None:
    images = [scene(number, (736, 1280)) for number in range(2)]
    bodies = []
    for threads in (1, 4):
        encoder = rankcast.Encoder("svd-patch", threads=threads)
        bodies.append([bytes(unpack(encoder.encode(image)).body) for image in images])
    assert bodies[0] == bodies[1]


def test_memory_does_not_grow() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch"), rankcast.Decoder()
    images = [scene(number, (64, 96, 3)) for number in range(4)]
    tracemalloc.start()
    try:
        for image in images * 5:
            decoder.decode(encoder.encode(image))
        gc.collect()
        first = tracemalloc.get_traced_memory()[0]
        for number in range(200):
            decoder.decode(encoder.encode(images[number % 4]))
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - first < 64 * 1024
    finally:
        tracemalloc.stop()
