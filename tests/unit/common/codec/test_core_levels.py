"""The codecs of the native core give the same bytes and pixels at every SIMD level."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rankcast.core import LEVEL

REPOSITORY = Path(__file__).resolve().parents[4]

SCRIPT = """
import sys, zlib
import numpy as np
sys.path[:0] = {paths!r}
import rankcast
from rankcast.core import LEVEL
from rankcast.errors import WireError
from rankcast.wire import pack, unpack

rng = np.random.default_rng(0)
digest = count = 0

def add(data):
    global digest, count
    digest, count = zlib.crc32(data, digest), count + 1

def code(name, image, **options):
    packet = unpack(rankcast.Encoder(name, **options).encode(image))
    add(bytes(packet.body))
    for damaged in range(4):
        body = bytearray(packet.body)
        if damaged and body:
            body[rng.integers(len(body))] ^= 1 << rng.integers(8)
        try:
            add(rankcast.Decoder().decode(pack(packet.header, bytes(body))).tobytes())
        except WireError as exc:
            add(type(exc).__name__.encode())

for dtype in (np.uint8, np.uint16):
    peak = np.iinfo(dtype).max
    for shape in ((1, 1), (9, 67), (33, 40, 3), (20, 21, 5), (67, 9, 3)):
        ramp = np.add.outer(np.arange(shape[0]), np.arange(shape[1])) * (peak // 120)
        ramp = ramp.reshape(*shape[:2], *(1,) * (len(shape) - 2))
        noisy = np.clip(ramp + rng.normal(0, peak / 40, shape), 0, peak).astype(dtype)
        drawn = (noisy // (peak // 3) * (peak // 3)).astype(dtype)
        for image in (noisy, drawn, rng.integers(0, peak + 1, shape).astype(dtype)):
            code("lossless", image)
            for options in ({{}}, {{"rank": 1.0}}, {{"engine": "exact", "factors": "float32"}}):
                code("svd", image, **options)
            if shape[2:] == (3,):
                code("svd", image, colour="ycc420", engine="exact")
print(LEVEL, count, digest)
"""


def run_at(level: int) -> list[str]:
    paths = [str(REPOSITORY / "common"), str(REPOSITORY / "tests")]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(paths=paths)],
        env={**os.environ, "RANKCAST_LEVEL": str(level)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(LEVEL < 3, reason="this processor has one level")
def test_lossless_and_svd_are_the_same_at_every_level() -> None:
    lowest, highest = run_at(2), run_at(3)
    assert (lowest[0], highest[0]) == ("2", "3")
    assert int(lowest[1]) > 500
    assert lowest[1:] == highest[1:]
