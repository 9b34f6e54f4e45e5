"""Quality of decoded pictures, pooled over a stream."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rankcast.frame import Pixels
from rankcast.numerics import psnr_db, ssim
from rankcast.rate_distortion import QualityMeter, luma_of
from support.comparing import picture


def noisy(pixels: Pixels, sigma: float, seed: int = 1) -> Pixels:
    """Return the picture with Gaussian noise, in levels of 255."""
    peak = np.iinfo(pixels.dtype).max
    noise = np.random.default_rng(seed).normal(0, sigma * peak / 255, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, peak).astype(pixels.dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_psnr_and_ssim_are_those_of_the_numerics(dtype: type) -> None:
    original = picture((64, 80), dtype)
    decoded = noisy(original, 4)
    meter = QualityMeter(np.iinfo(dtype).max, similarity_every=1)
    meter.add(original, decoded)
    point = meter.point("x", 10, 2)
    assert (point.setting, point.size_bytes, point.header_bytes) == ("x", 10, 2)
    assert point.psnr_db == pytest.approx(psnr_db(original, decoded), abs=1e-3)
    assert point.chroma_db is None
    # Only pixels at which the window reaches over an edge may differ.
    assert point.ssim == pytest.approx(ssim(original, decoded), abs=0.02)


def test_an_error_of_blue_alone_counts_more_in_chroma_than_in_luma() -> None:
    original = picture()
    decoded = original.copy()
    decoded[..., 0] ^= 8
    meter = QualityMeter(255)
    meter.add(original, decoded)
    point = meter.point("", 1)
    assert point.chroma_db is not None
    assert point.chroma_db < point.psnr_db
    assert point.ssim is None, "not asked for"
    assert point.moving_ssim is None


def test_exact_pictures_are_infinitely_good() -> None:
    meter = QualityMeter(255, similarity_every=1)
    for _ in range(2):
        meter.add(picture(), picture())
    point = meter.point("", 1)
    assert point.psnr_db == point.chroma_db == math.inf
    assert point.ssim == pytest.approx(1)
    assert point.ms_ssim == pytest.approx(1)


def test_similarity_is_measured_of_every_nth_frame_from_the_second_on() -> None:
    original, bad = picture(), noisy(picture(), 30)
    for places, expected in (({1, 4}, 0.999), ({0, 2, 3}, None)):
        meter = QualityMeter(255, similarity_every=3)
        for number in range(5):
            meter.add(original, original if number in places else bad)
        found = meter.point("", 1).ssim
        assert found is not None
        assert (found > 0.999) is (expected is not None)


def test_moving_blocks_are_judged_apart_from_those_at_rest() -> None:
    still = picture((64, 96))
    moved = still.copy()
    moved[16:32, 32:64] = picture((16, 32), seed=9)
    decoded = moved.copy()
    decoded[16:32, 32:64] = noisy(moved[16:32, 32:64], 12)
    meter = QualityMeter(255, similarity_every=1, moving=True)
    meter.add(still, still)
    meter.add(moved, decoded)
    point = meter.point("", 1)
    assert point.moving_psnr_db == pytest.approx(
        psnr_db(moved[16:32, 32:64], decoded[16:32, 32:64]), abs=0.01
    )
    assert point.moving_psnr_db < point.psnr_db
    assert point.moving_ssim is not None
    assert point.ssim is not None
    assert point.moving_ssim < point.ssim


def test_a_clip_at_rest_has_no_quality_of_moving_blocks() -> None:
    meter = QualityMeter(255, similarity_every=1, moving=True)
    for seed in range(4):
        meter.add(picture((64, 96)), noisy(picture((64, 96)), 2, seed))
    point = meter.point("", 1)
    assert point.moving_psnr_db is None
    assert point.moving_ssim is None


def test_luma_is_that_of_bt_601() -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[..., 2] = 100
    assert luma_of(pixels) == pytest.approx(29.9)
    assert luma_of(pixels[..., 2]) == pytest.approx(100)
