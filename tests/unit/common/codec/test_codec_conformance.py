"""Every codec, every kind of picture: the promises of tests/support/conformance.py."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankcast.frame import Pixels
from support.conformance import check_codec

EXACT = float("inf")
REPOSITORY = Path(__file__).resolve().parents[4]

DTYPES: list[type] = [np.uint8, np.uint16]
SHAPES: list[tuple[int, ...]] = [
    (1, 1), (1, 7), (7, 1), (2, 3), (33, 17), (48, 64), (64, 48),
    (20, 30, 1), (20, 30, 2), (31, 20, 3), (20, 30, 5),
]  # fmt: skip
RULES: list[dict[str, Any]] = [
    {}, {"rank": 1}, {"rank": 0.5}, {"energy": 0.98}, {"psnr": 30.0},
]  # fmt: skip
FACTORS = ["coded", "float16", "float32", "float64"]
ENGINES = ["exact", "randomized", "warm"]

# Of every three combinations of shape and options the quick tests take one, `make test-all` all.
THIRDS = [0, *(pytest.param(third, marks=pytest.mark.slow) for third in (1, 2))]


def shapes_of_third(third: int, *options: int) -> Iterator[tuple[int, ...]]:
    """Every third shape, begun by the sum of the numbers of the options that are combined.

    An option whose number is one higher is combined with the next shapes, so that one third has
    every option in every shape, only not with all values of the others.
    """
    for number, shape in enumerate(SHAPES):
        if (number + sum(options)) % 3 == third:
            yield shape


def pictures(shape: tuple[int, ...], dtype: type) -> list[Pixels]:
    """Black, white, noise and a ramp: one stream, so that every change of scene is in it."""
    peak = int(np.iinfo(dtype).max)
    rng = np.random.default_rng(sum(shape))
    ramp = np.linspace(0, peak, int(np.prod(shape))).reshape(shape)
    return [
        np.zeros(shape, dtype),
        rng.integers(0, peak + 1, shape).astype(dtype),
        np.full(shape, peak, dtype),
        ramp.astype(dtype),
        ramp.astype(dtype),
    ]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_raw_is_exact(shape: tuple[int, ...], dtype: type) -> None:
    check_codec("raw", pictures(shape, dtype), EXACT)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[2:] in ((), (1,), (3,))])
def test_jpeg_keeps_shape_and_most_of_the_picture(shape: tuple[int, ...]) -> None:
    check_codec("jpeg", pictures(shape, np.uint8), 4.0, quality=90)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_svd_at_full_rank_is_exact(shape: tuple[int, ...], dtype: type) -> None:
    for options in ({"factors": "coded"}, {"factors": "float64"}, {"engine": "exact"}):
        check_codec("svd", pictures(shape, dtype), EXACT, rank=1.0, **options)


@pytest.mark.parametrize("third", THIRDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("factors", FACTORS)
def test_svd_in_every_combination_of_options(
    factors: str, engine: str, dtype: type, third: int
) -> None:
    form = {"factors": factors, "engine": engine}
    numbers = FACTORS.index(factors), ENGINES.index(engine), DTYPES.index(dtype)
    for number, rule in enumerate(RULES):
        for shape in shapes_of_third(third, number, *numbers):
            # Noise at rank 1 has no more than this.
            least = 29.9 if "psnr" in rule and factors != "float16" else 6.0
            check_codec("svd", pictures(shape, dtype), least, **form, **rule)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("factors", ["coded", "float32"])
def test_svd_with_half_size_chroma(factors: str, dtype: type) -> None:
    for shape in [(1, 1, 3), (1, 7, 3), (7, 1, 3), (31, 20, 3), (20, 30, 3)]:
        check_codec("svd", pictures(shape, dtype), 6.0, factors=factors, colour="ycc420")


KMEANS_FORMS: list[dict[str, Any]] = [
    {}, {"k": 1}, {"k": 7, "start": "random", "seed": 3}, {"k": 300, "max_iter": 2},
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", KMEANS_FORMS, ids=str)
def test_kmeans_in_every_shape(form: dict[str, Any], dtype: type) -> None:
    for shape in SHAPES:
        # One colour for a ramp from black to white leaves 10.8 dB, for white noise as much.
        check_codec("kmeans", pictures(shape, dtype), 9.0, fewer_colours="code", **form)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_kmeans_with_as_many_colours_as_there_are_is_exact(
    shape: tuple[int, ...], dtype: type
) -> None:
    check_codec("kmeans", pictures(shape, dtype), EXACT, k=65_536, fewer_colours="code")


PCA_FORMS: list[dict[str, Any]] = [
    {}, {"variance": 0.5}, {"components": 1}, {"engine": "exact"}, {"layout": "patches"},
    {"layout": "patches", "patch": 5, "variance": 0.9}, {"layout": "patches", "components": 1},
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", PCA_FORMS, ids=str)
def test_pca_in_every_shape(form: dict[str, Any], dtype: type) -> None:
    for shape in SHAPES:
        # No component at all is the mean of each variable: 9 dB for white noise of one column.
        check_codec("pca", pictures(shape, dtype), 7.0, **form)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["rows", "patches"])
def test_pca_with_all_variance_leaves_rounding(layout: str, dtype: type) -> None:
    for shape in SHAPES:
        check_codec("pca", pictures(shape, dtype), 40.0, variance=1.0, layout=layout)


_SCRIPT = """
import sys
import zlib
import numpy as np
sys.path[:0] = {paths!r}
from contextlib import suppress
from support.conformance import check_codec
from rankcast.codec.svd.matrix import CodedMatrix, pack_values, unpack_values
from rankcast.errors import PayloadError
rng = np.random.default_rng(0)
bodies = []
def code(name, images, **options):
    bodies.extend(check_codec(name, images, 5.0, **options))
for dtype in (np.uint8, np.uint16):
    peak = np.iinfo(dtype).max
    noise = rng.integers(0, peak + 1, (5, 6, 3)).astype(dtype)
    {code}
# Values beyond the alphabet, and what is made of them when bytes are wrong.
values = np.rint(rng.laplace(0, 1e4, (3, 150))).astype(np.int32)
coded = pack_values(values, [3])
(words,) = coded.words
assert np.array_equal(unpack_values(coded, [3], 150), values)
for at in range(20, len(words), 41):
    wrong = words[:at] + bytes([words[at] ^ 255]) + words[at + 1 :]
    with suppress(PayloadError):
        bodies.append(unpack_values(CodedMatrix(coded.tables, [wrong]), [3], 150).tobytes())
bodies.append(coded.tables + words)
print(len(bodies), zlib.crc32(b"".join(bodies)))
"""

# Every codec that has kernels, as small as can be.
QUICK = """
    ramp = (np.add.outer(np.arange(9), np.arange(11)) * (peak // 20)).astype(dtype)
    for image in (ramp, noise):
        code("svd-patch", [image, np.roll(image, 1, axis=1)])
    code("svd-patch", [noise, noise], colour="ycc444")
    code("lossless", [noise])
    code("lossless", [ramp])
    for shape in [(1, 1), (9, 67, 3), (67, 9)]:
        image = rng.integers(0, peak + 1, shape).astype(dtype)
        for options in ({}, {"rank": 1.0}):
            code("svd", [image, np.zeros(shape, dtype)], **options)
    code("svd", [noise], colour="ycc420", rank=1.0)
    code("kmeans", [noise, noise], k=5)
    code("pca", [noise], variance=0.9)
    code("pca", [noise], layout="patches", patch=3)
"""

# With swaps of centroids, and with a tree.
MANY_COLOURS = """
    code("kmeans", [np.tile(noise, (6, 6, 1))], k=29)
    many = rng.integers(0, peak + 1, (14, 15)).astype(dtype)
    code("kmeans", [many], k=129, fewer_colours="code")
"""


def run_tiny(code: str, variables: dict[str, str]) -> str:
    """Number of the bodies that a process of its own made, and the CRC-32 of all of them."""
    paths = [str(REPOSITORY / "common"), str(REPOSITORY / "tests")]
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(paths=paths, code=code.strip())],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_core_gives_the_same_bytes_at_every_level() -> None:
    here = run_tiny(QUICK, {})
    assert int(here.split()[0]) > 50
    assert run_tiny(QUICK, {"RANKCAST_LEVEL": "2"}) == here


@pytest.mark.slow
def test_many_colours_give_the_same_bytes_at_every_level() -> None:
    assert run_tiny(MANY_COLOURS, {"RANKCAST_LEVEL": "2"}) == run_tiny(MANY_COLOURS, {})
