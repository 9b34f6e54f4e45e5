"""The codec `lossless`: every bit comes back, and bad bytes are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankcast
from rankcast.frame import Pixels
from rankcast.wire import pack, unpack
from support.conformance import check_codec

pytestmark = pytest.mark.timeout(300)


def picture(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Pixels:
    """Smooth with noise of a few levels, over the whole range."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float)
    full = np.iinfo(dtype).max
    values = full * (0.5 + 0.5 * np.sin(x / 9) * np.cos(y / 13))
    if len(shape) == 3:
        values = values[:, :, None] * np.linspace(0.6, 1, shape[2])
    return np.clip(values + rng.normal(0, 3, shape), 0, full).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 9), (7, 1), (33, 47), (20, 30, 1), (19, 23, 3), (16, 9, 5)]
)
def test_every_sample_comes_back(shape: tuple[int, ...], dtype: str) -> None:
    images = [picture(shape, dtype, seed) for seed in range(2)]
    images += [np.random.default_rng(1).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)]
    images += [np.zeros(shape, dtype), np.full(shape, np.iinfo(dtype).max, dtype)]
    check_codec("lossless", images, float("inf"))


def test_two_bands_come_back() -> None:
    check_codec("lossless", [picture((736, 1280), "uint8")], float("inf"))


@given(st.binary(min_size=1, max_size=600), st.sampled_from([(5, 7), (4, 5, 3)]))
@settings(max_examples=40, deadline=None)
def test_any_samples_come_back(seed: bytes, shape: tuple[int, ...]) -> None:
    samples = np.resize(np.frombuffer(seed, np.uint8), shape)
    packet = rankcast.Encoder("lossless").encode(samples)
    assert np.array_equal(rankcast.Decoder().decode(packet), samples)


def test_a_drawing_is_coded_by_equality() -> None:
    drawing = np.zeros((128, 128), np.uint8)
    drawing[20:70, 30:90] = 255
    drawing[60:100, 10:50] = 128
    packet = rankcast.Encoder("lossless").encode(drawing)
    assert len(packet) < 300
    assert np.array_equal(rankcast.Decoder().decode(packet), drawing)


def test_a_smooth_picture_takes_less_than_half() -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:96, 0:128].astype(float)
    image = (128 + 90 * np.sin(x / 20) * np.cos(y / 25) + rng.normal(0, 1, x.shape)).astype("uint8")
    assert len(rankcast.Encoder("lossless").encode(image)) < 0.45 * image.size


@given(st.binary(max_size=300))
@settings(max_examples=40, deadline=None)
def test_random_bodies_are_refused_or_harmless(body: bytes) -> None:
    header = unpack(rankcast.Encoder("lossless").encode(picture((24, 20, 3), "uint8"))).header
    try:
        pixels = rankcast.Decoder().decode(pack(header, body))
    except rankcast.WireError:
        return
    assert pixels.shape == header.shape


@pytest.mark.parametrize("params", [(), (0,), (2, 0), (1, 0), (0, 2), (0, 0, 0)])
def test_wrong_parameters_are_refused(params: tuple[int, ...]) -> None:
    parsed = unpack(rankcast.Encoder("lossless").encode(picture((24, 20), "uint8")))
    with pytest.raises(rankcast.PayloadError):
        rankcast.Decoder().decode(pack(replace(parsed.header, params=params), parsed.body))


def test_a_truncated_body_is_refused() -> None:
    parsed = unpack(rankcast.Encoder("lossless").encode(picture((40, 40), "uint8")))
    body = bytes(parsed.body)
    for end in range(0, len(body) - 20, 37):
        with pytest.raises(rankcast.PayloadError):
            rankcast.Decoder().decode(pack(parsed.header, body[:end]))
