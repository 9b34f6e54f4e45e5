"""How noisy a plane is, from frames of which parts stand still."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rankcast.numerics import Denoiser
from rankcast.numerics.noise import NOISE_LEVELS, Noise
from support.noisy_view import FINE, turning, view, with_noise


def learnt(frames: list[NDArray[np.uint16]], full_range: float = 256) -> Noise:
    """What the denoiser of a plane has learnt from frames."""
    denoiser = Denoiser([frames[0].shape])
    for frame in frames:
        denoiser.apply([frame], FINE, full_range)
    return denoiser._planes[0].noise


@pytest.mark.parametrize(("sigma", "bits"), [(0.8, 8), (2.0, 8), (6.0, 8), (9.0, 12), (120.0, 16)])
def test_the_noise_of_a_still_view_is_found(sigma: float, bits: int) -> None:
    clean = view() * 2 ** (bits - 8)
    noise = learnt([with_noise(clean, sigma, seed) for seed in range(6)], 2**bits)
    assert noise.is_known
    # Rounding to whole levels adds a twelfth.
    assert noise.variances**0.5 == pytest.approx((sigma**2 + 1 / 12) ** 0.5, rel=0.15)


def test_light_parts_may_be_noisier_than_dark_ones() -> None:
    clean = np.full((192, 192), 40.0)
    clean[:, 96:] = 200
    sigmas = np.where(clean > 100, 4.0, 1.0)
    variances = learnt([with_noise(clean, sigmas, seed) for seed in range(6)]).variances
    dark, light = (int(level * NOISE_LEVELS / 256) for level in (40, 200))
    assert variances[dark] ** 0.5 == pytest.approx(1.0, rel=0.15)
    assert variances[light] ** 0.5 == pytest.approx(4.0, rel=0.15)


def test_clipped_parts_say_nothing_of_the_noise() -> None:
    clean = view()
    clean[:, 80:] = 300
    noise = learnt([with_noise(clean, 3.0, seed) for seed in range(6)])
    assert noise.variances**0.5 == pytest.approx(3.0, rel=0.2)


def test_no_noise_holds_while_most_of_the_view_moves() -> None:
    assert not learnt(turning(8, sigma=2.0)).is_known


def test_texture_that_no_sensor_would_add_is_not_taken_for_noise() -> None:
    dust = [with_noise(view(), 30.0, seed) for seed in range(8)]
    assert not learnt(dust).is_known


def test_noise_that_rises_at_once_is_taken_for_movement_and_believed_in_time() -> None:
    clean = view()
    quiet = [with_noise(clean, 1.0, seed) for seed in range(4)]
    loud = [with_noise(clean, 2.0, seed) for seed in range(4, 100)]
    assert not learnt([*quiet, *loud[:1]]).is_known
    noise = learnt([*quiet, *loud])
    assert noise.is_known
    assert noise.variances**0.5 == pytest.approx(2.0, rel=0.2)


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (56, 64)])
def test_a_picture_of_few_blocks_says_too_little(shape: tuple[int, int]) -> None:
    measures = np.ones((max(1, shape[0] * shape[1] // 64), 3), np.float32)
    measures[:, 0] = 100
    noise = Noise()
    noise.learn(measures[:63], 256)
    assert not noise.is_known
    assert not noise.variances.any()
