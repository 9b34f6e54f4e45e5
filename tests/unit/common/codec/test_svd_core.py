"""The parts of `svd` in the native core, each against a plain formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rankcast import pool
from rankcast.codec.svd.contexts import DEAD_ZONE, classify, quantise, sample
from rankcast.codec.svd.product import rebuild, rebuild_tasks
from rankcast.core import function
from rankcast.numerics import Factors


def factors_of(shape: tuple[int, int], rank: int, dtype: type, seed: int = 0) -> Factors:
    """Random factors whose product fills 0..255 and a little more."""
    rng = np.random.default_rng(seed)
    u, v = (rng.normal(0, 0.5, (rank, side)).astype(dtype).T for side in shape)
    return Factors(u, np.linspace(300, 20, rank) + 0.123, v, 0.0)


def product_in_order(factors: Factors) -> NDArray[np.floating]:
    """Sum from the first singular value to the last, each step rounded to the dtype."""
    us = factors.u * factors.s.astype(factors.u.dtype)
    out = np.zeros((us.shape[0], factors.v.shape[0]), us.dtype)
    for k in range(factors.rank):
        out = out + us[:, k : k + 1] * factors.v[:, k]
    return out


SHAPES = [(1, 1), (5, 7), (4, 16), (33, 15), (31, 17), (70, 100), (3, 129)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rank", [0, 1, 2, 20, 127, 128, 129, 300])
def test_the_product_is_summed_from_the_first_singular_value_to_the_last(
    rank: int, dtype: type
) -> None:
    for shape in SHAPES:
        factors = factors_of(shape, rank, dtype)
        assert np.array_equal(rebuild(factors), product_in_order(factors)), shape


@pytest.mark.parametrize(
    ("real", "dtype"), [(np.float32, np.uint8), (np.float64, np.uint8), (np.float64, np.uint16)]
)
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_rebuilt_pixels_are_the_rounded_product(channels: int, real: type, dtype: type) -> None:
    peak = np.iinfo(dtype).max
    for shape in SHAPES:
        planes = [
            factors_of(shape, rank, real, seed=rank)
            for rank in range(3 * channels, 0, -3)  # another rank in each channel
        ]
        pixels = np.full((*shape, channels), 7, dtype)
        pool.run(rebuild_tasks(planes, pixels))
        for channel, factors in enumerate(planes):
            want = np.clip(np.rint(product_in_order(factors)), 0, peak)
            assert np.array_equal(pixels[..., channel], want), shape


def test_a_picture_of_rank_zero_is_black() -> None:
    pixels = np.full((5, 20, 3), 7, np.uint8)
    pool.run(rebuild_tasks([factors_of((5, 20), 0, np.float32)] * 3, pixels))
    assert not pixels.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (3, 8), (2, 61), (5, 130)])
def test_quantising_has_a_dead_zone_and_tells_its_noise(
    shape: tuple[int, int], dtype: type
) -> None:
    rng = np.random.default_rng(shape[1])
    y = rng.laplace(0, 1, shape).astype(dtype)
    y[0, 0] = 1e30
    scales = rng.uniform(0.2, 30, shape[0])
    values, noise = quantise(y, scales)
    x = y.astype(np.float64) * scales[:, None]
    want = np.copysign(np.minimum(np.floor(np.abs(x) + DEAD_ZONE), 2.0**30), x)
    assert np.array_equal(values, want)
    sums = [sum(((row - steps) ** 2).tolist()) for row, steps in zip(x, want, strict=True)]
    assert noise == pytest.approx(sum(sums), rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stride", [1, 4, 15, 1000])
def test_sampling_takes_every_so_many_of_a_matrix(stride: int, dtype: type) -> None:
    y = np.random.default_rng(stride).normal(0, 1, (6, 37)).astype(dtype)
    scales = np.linspace(1, 5, 6, dtype=np.float32)
    want = np.abs(y.astype(np.float32) * scales[:, None]).reshape(-1)[::stride]
    assert np.array_equal(sample(y, scales, stride), want)


def classes_of(values: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Classes by the definition in docs/wire.md, one coefficient after the other."""
    columns, length = values.shape
    magnitudes = np.minimum(np.abs(values.astype(np.int64)), 1 << 26)
    out = np.empty(values.shape, np.uint8)

    def at(k: int, block: int, f: int) -> int:
        j = 64 * block + f
        inside = k >= 0 and block >= 0 and 0 <= f < 64 and j < length
        return int(magnitudes[k, j]) if inside else 0

    for k in range(columns):
        for j in range(length):
            b, f = divmod(j, 64)
            w = 2 * (at(k - 1, b, f) + at(k - 2, b, f) + at(k, b - 1, f) + at(k, b, f - 1))
            w += at(k - 1, b + 1, f) + at(k - 1, b, f - 1) + at(k - 1, b, f + 1)
            w += at(k, b - 1, f - 1) + at(k, b - 1, f + 1) + at(k, b, f - 2)
            octave = w.bit_length() - 1
            if w < 8:
                out[k, j] = w
            elif w < 4096:
                out[k, j] = 8 + 4 * (octave - 3) + (w >> octave - 2) % 4
            else:
                out[k, j] = min(44 + octave - 12, 63)
    return out


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 4),
    st.integers(1, 200),
    st.sampled_from([0.3, 2.0, 40.0, 3e3, 1e6, 1e9]),
)
def test_classes_are_those_of_the_definition(
    seed: int, columns: int, length: int, scale: float
) -> None:
    spread = np.random.default_rng(seed).laplace(0, scale, (columns, length))
    values = np.clip(np.rint(spread), -(2**30), 2**30).astype(np.int32)
    assert np.array_equal(classify(values), classes_of(values))


INVERSE = {
    np.float32: function("rk_svd_inverse_transform_f32"),
    np.float64: function("rk_svd_inverse_transform_f64"),
}


def turned_back(
    values: NDArray[np.int32], scales: NDArray[np.float64], dtype: type
) -> NDArray[np.floating]:
    out = np.empty(values.shape, dtype)
    INVERSE[dtype](values, scales, *values.shape, out)
    return out


def cosines_of(side: int, dtype: type) -> NDArray[np.floating]:
    """Rows of cosines as the core has them: what single coefficients come to."""
    return turned_back(np.eye(side, dtype=np.int32), np.ones(side), dtype)


@pytest.mark.parametrize("side", [1, 2, 3, 7, 8, 45, 63, 64])
def test_cosines_are_those_of_the_formula(side: int) -> None:
    wide = np.longdouble
    k, n = np.arange(side, dtype=wide)[:, None], np.arange(side, dtype=wide)[None, :]
    quarter = 2 * np.arctan(wide(1))
    want = np.sqrt(wide(2) / side) * np.cos(quarter * (2 * n + 1) * k / side)
    want[0] = np.sqrt(wide(1) / side)
    found = cosines_of(side, np.float64)
    assert np.abs(found - want).max() <= 4 * np.finfo(np.float64).eps * np.abs(want).max()
    assert np.array_equal(cosines_of(side, np.float32), found.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("length", [1, 5, 64, 65, 130, 192])
def test_coefficients_are_turned_back_by_rising_frequency(length: int, dtype: type) -> None:
    rng = np.random.default_rng(length)
    values = np.rint(rng.laplace(0, 3, (7, length))).astype(np.int32)
    scales = rng.uniform(1e-3, 2, 7)
    want = np.zeros(values.shape, dtype)
    for start in range(0, length, 64):
        block = values[:, start : start + 64]
        cosines = cosines_of(block.shape[1], dtype)
        y = (block * scales[:, None]).astype(dtype)
        for f in range(block.shape[1]):
            want[:, start : start + 64] += y[:, f : f + 1] * cosines[f]
    assert np.array_equal(turned_back(values, scales, dtype), want)
