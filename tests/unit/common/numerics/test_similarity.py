"""Structural similarity as a map, and over several scales."""

from __future__ import annotations

import numpy as np
import pytest

from rankcast.numerics import ms_ssim, ssim, ssim_map
from support.comparing import picture


@pytest.mark.parametrize(("dtype", "peak"), [(np.uint8, 255.0), (np.uint16, 65535.0)])
def test_the_inside_of_the_map_has_the_mean_that_ssim_states(dtype: type, peak: float) -> None:
    a, b = picture((64, 80), dtype), picture((64, 80), dtype, seed=4)
    found, contrast = ssim_map(a.astype(np.float32), b.astype(np.float32), peak)
    assert found.shape == contrast.shape == a.shape
    assert found[5:-5, 5:-5].mean() == pytest.approx(ssim(a, b), abs=1e-4)


def test_a_change_of_brightness_leaves_the_contrast_alone() -> None:
    a = picture((64, 80)).astype(np.float32) / 2
    found, contrast = ssim_map(a, a + 50, 255)
    assert contrast == pytest.approx(1, abs=1e-3)
    assert found.mean() < 0.99


def test_equal_planes_of_any_size_are_alike() -> None:
    for shape in ((1, 1), (5, 40), (64, 80), (200, 180)):
        plane = picture(shape).astype(np.float32)
        assert ms_ssim(plane, plane, 255) == pytest.approx(1, abs=1e-5)


def test_a_known_map_of_the_finest_scale_changes_nothing() -> None:
    for shape in ((5, 40), (64, 80)):
        a, b = (picture(shape, seed=seed).astype(np.float32) for seed in (1, 2))
        assert ms_ssim(a, b, 255, ssim_map(a, b, 255)) == ms_ssim(a, b, 255)


def test_several_scales_forgive_fine_noise_that_one_scale_does_not() -> None:
    a = picture((192, 192))
    b = np.clip(a + np.random.default_rng(1).normal(0, 12, a.shape), 0, 255).astype(np.uint8)
    one = ssim(a, b)
    several = ms_ssim(a.astype(np.float32), b.astype(np.float32), 255)
    assert one < several < 1


def test_unrelated_planes_have_a_similarity_near_zero() -> None:
    a, b = picture((64, 80)).astype(np.float32), 255 - picture((64, 80)).astype(np.float32)
    assert 0 <= ms_ssim(a, b, 255) < 0.1
