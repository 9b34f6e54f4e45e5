"""The frame mark: survives strong coding, and is never read wrong."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import UnsupportedImageError
from rankcast.frame import Pixels
from rankcast.images import NUMBER_LIMIT, write_frame_mark
from rankcast.images.frame_mark import mark_size, read_frame_mark

SIZES = [(16, 64), (48, 64), (64, 100), (120, 160), (240, 320)]
NUMBERS = [0, 1, 2, 0x12345678, NUMBER_LIMIT - 1]


def scene(height: int, width: int, channels: int | None = 3, seed: int = 0) -> Pixels:
    rng = np.random.default_rng(seed)
    shape = (height, width) if channels is None else (height, width, channels)
    noise = rng.integers(0, 256, shape).astype(np.uint8)
    soft = cv2.GaussianBlur(noise, (0, 0), max(1.0, width / 64))
    return cv2.normalize(soft, None, 0, 255, cv2.NORM_MINMAX).reshape(shape)


def truncated(pixels: Pixels, share: float) -> Pixels:
    out = np.empty_like(pixels)
    rank = max(1, round(share * min(pixels.shape[:2])))
    for channel in range(pixels.shape[2]):
        u, s, vt = np.linalg.svd(pixels[:, :, channel].astype(np.float64), full_matrices=False)
        picture = (u[:, :rank] * s[:rank]) @ vt[:rank]
        out[:, :, channel] = np.clip(np.rint(picture), 0, np.iinfo(pixels.dtype).max)
    return out


@given(st.integers(0, NUMBER_LIMIT - 1))
def test_every_number_comes_back(number: int) -> None:
    pixels = np.full((16, 64), 90, np.uint8)
    write_frame_mark(pixels, number)
    assert read_frame_mark(pixels) == number


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("number", NUMBERS)
def test_mark_survives_jpeg_of_quality_20(size: tuple[int, int], number: int) -> None:
    pixels = scene(*size)
    write_frame_mark(pixels, number)
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 20])
    assert read_frame_mark(cv2.imdecode(data, cv2.IMREAD_COLOR)) == number


@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize("number", NUMBERS[::3])
def test_mark_survives_svd_at_5_percent_of_the_rank(size: tuple[int, int], number: int) -> None:
    pixels = scene(*size, channels=1)
    write_frame_mark(pixels, number)
    assert read_frame_mark(truncated(pixels, 0.05)) == number


def test_mark_survives_a_change_of_light_and_noise() -> None:
    pixels = scene(240, 320)
    write_frame_mark(pixels, 77)
    noise = np.random.default_rng(3).normal(0, 20, pixels.shape)
    changed = np.clip(pixels * 0.4 + 60 + noise, 0, 255).astype(np.uint8)
    assert read_frame_mark(changed) == 77


@pytest.mark.parametrize("channels", [None, 1, 3, 5])
@pytest.mark.parametrize(
    ("dtype", "white"), [(np.uint8, None), (np.uint16, None), (np.uint16, 4095)]
)
def test_all_kinds_of_pictures_bear_a_mark(
    channels: int | None, dtype: type, white: int | None
) -> None:
    shape = (100, 200) if channels is None else (100, 200, channels)
    pixels = np.full(shape, 50, dtype)
    write_frame_mark(pixels, 4711, white=white)
    assert read_frame_mark(pixels) == 4711
    assert pixels.max() == (white or np.iinfo(dtype).max)
    rows, columns = mark_size(100, 200)
    outside = np.ones((100, 200), np.bool_)
    outside[:rows, :columns] = False
    assert (pixels[outside] == 50).all(), "pixels outside the mark were written"


def test_pictures_without_a_mark_have_no_number() -> None:
    rng = np.random.default_rng(5)
    for _ in range(300):
        assert read_frame_mark(rng.integers(0, 256, (48, 64), dtype=np.uint8)) is None
    for value in (0, 128, 255):
        assert read_frame_mark(np.full((100, 100, 3), value, np.uint8)) is None
    assert read_frame_mark(scene(240, 320)) is None


def test_damage_gives_none_or_the_right_number() -> None:
    rng = np.random.default_rng(6)
    refused = 0
    for attempt in range(400):
        pixels = np.full((48, 64), 90, np.uint8)
        write_frame_mark(pixels, attempt)
        # Any bars repainted: up to ten of them.
        for column in rng.integers(0, 64, rng.integers(1, 11)):
            pixels[:8, column] = rng.integers(0, 256)
        number = read_frame_mark(pixels)
        refused += number is None
        assert number in (None, attempt)
    assert refused > 100


def test_a_torn_picture_never_shows_a_third_number() -> None:
    first, second = scene(720, 1280), scene(720, 1280, seed=1)
    write_frame_mark(first, 1000)
    write_frame_mark(second, 1001)
    for row in range(17):
        torn = np.concatenate([first[:row], second[row:]])
        assert read_frame_mark(torn) in (None, 1000, 1001)
    assert read_frame_mark(np.concatenate([first[:8], second[8:]])) is None


@pytest.mark.parametrize("flip", [0, 1, -1])
def test_a_flipped_picture_is_refused(flip: int) -> None:
    pixels = scene(48, 64)
    write_frame_mark(pixels, 5)
    assert read_frame_mark(cv2.flip(pixels, flip)) is None


@pytest.mark.parametrize("size", [(15, 64), (16, 63), (1, 1)])
def test_pictures_too_small_for_a_mark_are_refused(size: tuple[int, int]) -> None:
    pixels = np.zeros(size, np.uint8)
    with pytest.raises(UnsupportedImageError, match="64x16"):
        write_frame_mark(pixels, 0)
    assert read_frame_mark(pixels) is None


@pytest.mark.parametrize("number", [-1, NUMBER_LIMIT])
def test_numbers_beyond_32_bits_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match="4294967295"):
        write_frame_mark(np.zeros((48, 64), np.uint8), number)
