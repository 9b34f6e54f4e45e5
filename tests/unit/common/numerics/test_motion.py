"""Which blocks of a picture move."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rankcast.numerics import block_means, moving_blocks
from rankcast.opencv import cv2
from support.comparing import picture


def scene(height: int = 96, width: int = 128) -> NDArray[np.float32]:
    return picture((height, width)).astype(np.float32)


def noise(sigma: float, seed: int, shape: tuple[int, int] = (96, 128)) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, sigma, shape).astype(np.float32)


@pytest.mark.parametrize("sigma", [0.0, 0.5, 2.0, 8.0])
def test_noise_alone_moves_nothing(sigma: float) -> None:
    before, after = scene() + noise(sigma, 1), scene() + noise(sigma, 2)
    assert not moving_blocks(before, after, 255).any()


@pytest.mark.parametrize("sigma", [0.0, 2.0])
def test_a_part_that_moves_is_found_and_nothing_else(sigma: float) -> None:
    before, after = scene() + noise(sigma, 1), scene() + noise(sigma, 2)
    after[32:48, 64:96] += 40
    expected = np.zeros((6, 8), bool)
    expected[2, 4:6] = True
    assert np.array_equal(moving_blocks(before, after, 255), expected)


def test_most_blocks_of_a_camera_that_turns_move() -> None:
    wide = cv2.GaussianBlur(scene(96, 160), (0, 0), 2.0)
    found = moving_blocks(wide[:, :128].copy(), wide[:, 4:132].copy(), 255)
    assert found.mean() > 0.8


def test_the_scale_of_the_samples_does_not_matter() -> None:
    before, after = scene(), scene()
    after[32:48, 64:96] += 40
    deep = moving_blocks(before * 257, after * 257, 65535)
    assert np.array_equal(deep, moving_blocks(before, after, 255))


def test_a_picture_smaller_than_a_block_has_none() -> None:
    small = np.zeros((12, 40), np.float32)
    assert moving_blocks(small, small, 255).shape == (0, 2)


def test_means_leave_out_the_rests_at_the_edges() -> None:
    plane = np.zeros((33, 40), np.float32)
    plane[16:32, 16:32] = 3
    plane[32:], plane[:, 32:] = 99, 99
    assert np.array_equal(block_means(plane), [[0, 0], [0, 3]])
