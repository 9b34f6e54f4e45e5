"""PSNR and SSIM against closed forms and a brute-force reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankcast.errors import UnsupportedImageError
from rankcast.frame import Pixels
from rankcast.numerics import metrics


def picture(shape: tuple[int, ...], dtype: type = np.uint8, seed: int = 0) -> Pixels:
    rng = np.random.default_rng(seed)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def brute_force_ssim(a: Pixels, b: Pixels) -> float:
    """The formula of the paper, window by window, for one channel of at least 11 x 11."""
    peak = float(np.iinfo(a.dtype).max)
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    values = []
    for row in range(a.shape[0] - 10):
        for column in range(a.shape[1] - 10):
            x = a[row : row + 11, column : column + 11].astype(np.float64)
            y = b[row : row + 11, column : column + 11].astype(np.float64)
            mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
            variance_x = (weights * (x - mean_x) ** 2).sum()
            variance_y = (weights * (y - mean_y) ** 2).sum()
            covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
            values.append(
                (2 * mean_x * mean_y + c1)
                * (2 * covariance + c2)
                / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))
            )
    return float(np.mean(values))


def test_psnr_of_equal_pictures_is_infinite() -> None:
    image = picture((5, 7, 3))
    assert metrics.psnr_db(image, image.copy()) == math.inf


@pytest.mark.parametrize(("dtype", "peak"), [(np.uint8, 255), (np.uint16, 65535)])
def test_psnr_of_black_against_white_is_zero(dtype: type, peak: int) -> None:
    black, white = np.zeros((4, 6, 2), dtype), np.full((4, 6, 2), peak, dtype)
    assert metrics.psnr_db(black, white) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("dtype", "peak"), [(np.uint8, 255), (np.uint16, 65535)])
def test_psnr_of_a_constant_difference_is_the_ratio_of_the_peak_to_it(
    dtype: type, peak: int
) -> None:
    a, b = np.full((8, 9), 40, dtype), np.full((8, 9), 30, dtype)
    assert metrics.psnr_db(a, b) == pytest.approx(20 * math.log10(peak / 10), abs=1e-12)


def test_squared_error_is_exact_over_the_bands_of_a_large_16_bit_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a, b = np.zeros((50, 40, 3), np.uint16), np.full((50, 40, 3), 65535, np.uint16)
    b[3, 4, 1] = 0
    want = (a.size - 1) * 65535**2
    assert metrics.squared_error(a, b) == want
    monkeypatch.setattr(metrics, "_BAND_SAMPLES", 500)
    assert metrics.squared_error(a, b) == want


def test_ssim_of_equal_pictures_is_one() -> None:
    image = picture((30, 40, 3))
    assert metrics.ssim(image, image.copy()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_ssim_of_two_constants_is_their_luminance_term(dtype: type) -> None:
    a, b = np.full((20, 20), 200, dtype), np.full((20, 20), 100, dtype)
    c1 = (0.01 * float(np.iinfo(dtype).max)) ** 2
    want = (2 * 200 * 100 + c1) / (200**2 + 100**2 + c1)
    assert metrics.ssim(a, b) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(11, 11), (17, 23), (24, 13)])
def test_ssim_agrees_with_the_formula_window_by_window(dtype: type, shape: tuple[int, int]) -> None:
    a = picture(shape, dtype, 1)
    b = (0.7 * a + 0.3 * picture(shape, dtype, 2)).astype(dtype)
    assert metrics.ssim(a, b) == pytest.approx(brute_force_ssim(a, b), abs=1e-9)


def test_ssim_does_not_depend_on_the_bands_it_is_computed_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a, b = picture((61, 30), seed=1), picture((61, 30), seed=2)
    want = metrics.ssim(a, b)
    monkeypatch.setattr(metrics, "_BAND_SAMPLES", 200)
    assert metrics.ssim(a, b) == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_ssim_is_the_mean_over_channels(channels: int) -> None:
    a, b = picture((16, 18, channels), seed=3), picture((16, 18, channels), seed=4)
    want = np.mean([metrics.ssim(a[:, :, c], b[:, :, c]) for c in range(channels)])
    assert metrics.ssim(a, b) == pytest.approx(float(want), abs=1e-12)


def test_ssim_of_one_pixel_compares_the_two_values_alone() -> None:
    a, b = np.array([[100]], np.uint8), np.array([[50]], np.uint8)
    c1 = 2.55**2
    assert metrics.ssim(a, b) == pytest.approx((2 * 5000 + c1) / (12500 + c1), abs=1e-12)


@pytest.mark.parametrize(("side", "taps"), [(1, 1), (2, 1), (3, 3), (10, 9), (11, 11), (500, 11)])
def test_window_shrinks_to_the_largest_odd_number_that_fits(side: int, taps: int) -> None:
    weights = metrics.window_1d(side)
    assert len(weights) == taps
    assert weights.sum() == pytest.approx(1.0, abs=1e-15)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 14), st.integers(1, 14), st.integers(0, 3),
    st.sampled_from([np.uint8, np.uint16]), st.integers(0, 1000),
)  # fmt: skip
def test_ssim_is_symmetric_and_at_most_one_for_any_shape(
    height: int, width: int, channels: int, dtype: type, seed: int
) -> None:
    shape = (height, width, channels) if channels else (height, width)
    a, b = picture(shape, dtype, seed), picture(shape, dtype, seed + 1)
    value = metrics.ssim(a, b)
    assert -1.0 - 1e-9 <= value <= 1.0 + 1e-9
    assert value == pytest.approx(metrics.ssim(b, a), abs=1e-12)


def test_pictures_of_two_shapes_or_dtypes_are_refused_with_both_named() -> None:
    with pytest.raises(UnsupportedImageError, match=r"\(2, 3\) uint8 and \(3, 2\) uint8"):
        metrics.psnr_db(picture((2, 3)), picture((3, 2)))
    with pytest.raises(UnsupportedImageError, match=r"uint8 and .* uint16"):
        metrics.ssim(picture((2, 3)), picture((2, 3), np.uint16))
