"""How noisy a plane is, from frames of which parts stand still."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rankcast.numerics import Denoiser
from rankcast.numerics.noise import NOISE_LEVELS, Noise
from rankcast.opencv import cv2
from support.noisy_view import FINE, turning, view, with_noise


def learnt(frames: list[NDArray[np.uint16]], full_range: float = 256) -> Noise:
    """What the denoiser of a plane has learnt from frames."""
    denoiser = Denoiser([frames[0].shape], full_range)
    for frame in frames:
        denoiser.apply([frame], FINE)
    return denoiser._planes[0].noise


def level_of(brightness: float, full_range: float = 256) -> int:
    """Where the noise of such samples is found."""
    return int(NOISE_LEVELS * (brightness / full_range) ** 0.5)


@pytest.mark.parametrize(("sigma", "bits"), [(0.8, 8), (2.0, 8), (6.0, 8), (9.0, 12), (120.0, 16)])
def test_the_noise_of_a_still_view_is_found(sigma: float, bits: int) -> None:
    clean = view() * 2 ** (bits - 8)
    noise = learnt([with_noise(clean, sigma, seed, bits) for seed in range(6)], 2**bits)
    assert noise.is_known
    # Rounding to whole levels adds a twelfth.
    assert noise.variances**0.5 == pytest.approx((sigma**2 + 1 / 12) ** 0.5, rel=0.15)


def test_light_parts_may_be_noisier_than_dark_ones() -> None:
    clean = np.full((192, 192), 40.0)
    clean[:, 96:] = 200
    sigmas = np.where(clean > 100, 4.0, 1.0)
    variances = learnt([with_noise(clean, sigmas, seed) for seed in range(6)]).variances
    dark, light = map(level_of, (40, 200))
    assert variances[dark] ** 0.5 == pytest.approx(1.0, rel=0.15)
    assert variances[light] ** 0.5 == pytest.approx(4.0, rel=0.15)


@pytest.mark.parametrize("black", [0, 16])
def test_clipped_parts_say_nothing_of_the_noise_now_or_later(black: int) -> None:
    clean = view()
    clean[:, 80:] = -100
    frames = [with_noise(clean, 3.0, seed) for seed in range(6)]
    frames += [with_noise(view(), 3.0, seed) for seed in range(6, 16)]
    noise = learnt([np.maximum(frame, np.uint16(black)) for frame in frames])
    assert noise.is_known
    assert noise.variances**0.5 == pytest.approx(3.0, rel=0.2)


@pytest.mark.parametrize("frames_each", [2, 3, 50])
def test_frames_that_repeat_say_nothing_of_the_noise(frames_each: int) -> None:
    frames = [with_noise(view(), 3.0, seed // frames_each) for seed in range(60)]
    noise = learnt([*frames, *(with_noise(view(), 3.0, seed) for seed in (60, 61))])
    assert noise.is_known
    assert noise.variances**0.5 == pytest.approx(3.0, rel=0.2)


@pytest.mark.parametrize(("lowest", "sigma", "bits"), [(100, 10.0, 16), (20, 3.0, 12)])
def test_the_noise_of_a_dark_view_is_found(lowest: int, sigma: float, bits: int) -> None:
    clean = lowest + view() * lowest / 64
    noise = learnt([with_noise(clean, sigma, seed, bits) for seed in range(6)], 2**bits)
    assert noise.is_known
    found = noise.variances[level_of(float(clean.mean()), 2**bits)]
    assert found**0.5 == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("blur", [0.5, 0.7])
def test_a_belt_of_a_brightness_of_its_own_is_not_taken_for_noise(blur: float) -> None:
    wall = np.random.default_rng(3).normal(0, 30, (48, 400))
    belt = cv2.GaussianBlur(wall, (0, 0), blur) + 40
    frames = []
    for number in range(12):
        clean = view() + 60
        clean[80:] = belt[:, 6 * number : 6 * number + 160]
        frames.append(with_noise(clean, 1.5, number))
    noise = learnt(frames)
    assert noise.is_known
    assert noise.variances[level_of(40)] ** 0.5 < 2.0


@pytest.mark.parametrize(("moving_rows", "is_known"), [(48, True), (104, True), (128, False)])
def test_the_noise_holds_while_some_of_the_view_stands_still(
    moving_rows: int, is_known: bool
) -> None:
    wall = cv2.GaussianBlur(np.random.default_rng(3).normal(0, 60, (128, 400)), (0, 0), 1.0) + 110
    frames = []
    for number in range(12):
        clean = view()
        clean[:moving_rows] = wall[:moving_rows, 6 * number : 6 * number + 160]
        frames.append(with_noise(clean, 3.0, number))
    assert learnt(frames).is_known == is_known


def test_no_noise_holds_while_the_view_turns() -> None:
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
