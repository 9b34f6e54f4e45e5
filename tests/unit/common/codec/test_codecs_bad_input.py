"""Every decoder against bodies that are cut, flipped and random, all behind a right CRC."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rankcast
from rankcast.frame import Frame, Pixels
from rankcast.wire import Packet, pack, unpack

pytestmark = pytest.mark.timeout(600)

REPOSITORY = Path(__file__).resolve().parents[4]


def picture(number: int, shape: tuple[int, ...], dtype: str) -> Pixels:
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float)
    values = 0.5 + 0.3 * np.sin(x / 5 + number / 8) * np.cos(y / 4)
    if len(shape) == 3:
        values = values[:, :, None] * np.linspace(0.7, 1.0, shape[2])
    values = values + np.random.default_rng(number).normal(0, 0.02, shape)
    samples: Pixels = (np.clip(values, 0, 1) * np.iinfo(dtype).max).astype(dtype)
    return samples


STREAMS: list[tuple[str, dict[str, Any], tuple[int, ...], str, str]] = [
    ("svd-patch", {}, (35, 42, 3), "uint8", ""),
    ("svd-patch", {"colour": "ycc444", "quality": 40}, (34, 40, 3), "uint8", ""),
    ("svd-patch", {"colour": "ycc444"}, (17, 40, 3), "uint16", ""),
    ("svd-patch", {"refs": 2}, (40, 40), "uint16", ""),
    ("svd-patch", {"quality": 50}, (33, 35), "uint8", "GRBG"),
    ("svd-patch", {"quality": 30}, (16, 18, 4), "uint8", ""),
    ("lossless", {}, (14, 15, 3), "uint8", ""),
    ("lossless", {}, (12, 17), "uint16", ""),
    ("svd", {"rank": 0.2}, (24, 20, 3), "uint8", ""),
    ("svd", {"factors": "float32", "rank": 2}, (9, 8), "uint16", ""),
    ("kmeans", {"k": 9}, (14, 15, 3), "uint8", ""),
    ("kmeans", {"k": 140}, (16, 13), "uint16", ""),
    ("kmeans", {"k": 1}, (4, 5, 2), "uint8", ""),
    ("pca", {"components": 2}, (13, 10, 3), "uint8", ""),
    ("pca", {"layout": "patches", "patch": 4}, (14, 9), "uint16", ""),
    ("jpeg", {}, (24, 24, 3), "uint8", ""),
    ("raw", {}, (6, 7, 3), "uint8", ""),
]
NAMES = [
    "-".join([name, *map(str, shape), dtype, *map(str, options.values())])
    for name, options, shape, dtype, _ in STREAMS
]


def coded(index: int) -> list[bytes]:
    """A key frame and, where the codec knows such, two predicted ones."""
    name, options, shape, dtype, cfa = STREAMS[index]
    encoder = rankcast.Encoder(name, **options)
    return [
        encoder.encode(Frame(picture(number, shape, dtype), cfa=cfa), meta={})
        for number in range(3)
    ]


def broken(parsed: Packet, rng: np.random.Generator, randoms: int) -> Iterator[bytes]:
    """Bodies cut at every byte, with every eighth bit flipped, lengthened, and random ones."""
    body = bytes(parsed.body)
    for end in range(len(body)):
        yield pack(parsed.header, body[:end])
    for bit in range(int(rng.integers(8)), 8 * len(body), 8):
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << (bit % 8)
        yield pack(parsed.header, bytes(flipped))
    yield pack(parsed.header, body + b"\0")
    yield pack(parsed.header, body + bytes(range(256)))
    for _ in range(randoms):
        yield pack(parsed.header, rng.bytes(int(rng.integers(0, 2 * len(body) + 2))))
        # The first byte right and noise behind it gets past the flags.
        yield pack(parsed.header, body[:1] + rng.bytes(len(body)))
    header = parsed.header
    if header.params:
        for _ in range(randoms // 4):
            params = tuple(int(rng.choice([0, 1, 2, 3, 4, 8, 64, 1 << 20])) for _ in header.params)
            yield pack(replace(header, params=params), body)
        yield pack(replace(header, params=(*header.params, 1)), body)


def assault(packets: list[bytes], seed: int, randoms: int, step: int = 1) -> int:
    """Feed a decoder broken packets; each is refused or harmless. Return how many there were.

    Of the packets that can be made so, every one in `step` is.
    """
    clean = rankcast.Decoder()
    wanted = [clean.decode(packet) for packet in packets]
    decoder, rng, count = rankcast.Decoder(), np.random.default_rng(seed), 0
    for which in range(min(len(packets), 2)):
        for packet in itertools.islice(broken(unpack(packets[which]), rng, randoms), 0, None, step):
            if which and count % 3 == 0:
                # So that predicted frames are read and not just turned away.
                decoder.decode(packets[0])
            count += 1
            try:
                pixels = decoder.decode(packet)
            except (rankcast.WireError, rankcast.NeedKeyframe):
                continue
            assert pixels.shape == wanted[which].shape
            assert pixels.dtype == wanted[which].dtype
    # And then the stream goes on as if nothing had happened.
    for packet, want in zip(packets, wanted, strict=True):
        assert np.array_equal(decoder.decode(packet), want)
    return count


@pytest.mark.parametrize("index", range(len(STREAMS)), ids=NAMES)
def test_a_broken_body_is_refused_or_harmless(index: int) -> None:
    assert assault(coded(index), index, 40) > 100


_SCRIPT = """
import sys
sys.path[:0] = {paths!r}
from test_codecs_bad_input import STREAMS, assault, coded
print(sum({attacks}))
"""


def elsewhere(attacks: str, **environment: str) -> int:
    """Number of broken packets that decoders of a process of its own withstood."""
    here = Path(__file__).resolve().parent
    paths = [str(here), *(str(REPOSITORY / p) for p in ("common", "tests"))]
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(paths=paths, attacks=attacks)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=1100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_broken_body_ends_a_decoder_of_the_lower_level() -> None:
    attacks = "assault(coded(index), index, 200) for index in range(len(STREAMS))"
    assert elsewhere(attacks, RANKCAST_LEVEL="2") > 10_000
