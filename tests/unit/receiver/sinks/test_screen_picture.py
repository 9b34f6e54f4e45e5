"""Frames converted for a screen: depth, channels, mosaics, size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rankcast.frame import Frame
from rankcast_receiver.sinks.screen_picture import (
    fitted_size,
    natural_size,
    screen_picture,
)


def picture(pixels: NDArray[Any], **changes: Any) -> NDArray[np.uint8]:
    frame = Frame(pixels, **changes)
    return screen_picture(frame, natural_size(frame, 1600, 900)).pixels


@pytest.mark.parametrize(
    ("shape", "room", "want"),
    [
        ((480, 640), (1280, 720), (960, 720)),
        ((90, 640), (640, 360), (640, 90)),
        ((2000, 4000), (640, 360), (640, 320)),
        ((65_535, 1), (640, 360), (1, 360)),
    ],
)
def test_a_picture_fills_a_cell_and_keeps_its_ratio(
    shape: tuple[int, int], room: tuple[int, int], want: tuple[int, int]
) -> None:
    frame = Frame(np.zeros(shape, np.uint8))
    assert fitted_size(frame, *room) == want
    assert screen_picture(frame, want).pixels.shape == (*want[::-1], 3)


def test_samples_stay_sharp_where_they_become_several_pixels() -> None:
    dots = np.zeros((4, 6), np.uint8)
    dots[1, 2] = 255
    for size in ((12, 8), (22, 14)):
        assert set(np.unique(screen_picture(Frame(dots), size).pixels)) == {0, 255}


def test_eight_bit_colour_and_grey_are_shown_unchanged() -> None:
    colour = np.random.default_rng(1).integers(0, 256, (500, 600, 3), np.uint8)
    assert np.array_equal(picture(colour), colour)
    grey = np.ascontiguousarray(colour[:, :, 0])
    assert np.array_equal(picture(grey), np.repeat(grey[:, :, None], 3, axis=2))
    assert np.array_equal(picture(grey[:, :, None]), picture(grey))


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_sixteen_bits_are_scaled_by_their_significant_bits(bits: int) -> None:
    pixels = np.zeros((500, 600), np.uint16)
    pixels[:, 300:] = (1 << bits) - 1
    shown = picture(pixels, significant_bits=0 if bits == 16 else bits)
    assert shown.dtype == np.uint8
    assert (shown[0, 0, 0], shown[0, -1, 0]) == (0, 255)


def test_few_significant_bits_of_eight_are_scaled_too() -> None:
    shown = picture(np.full((500, 600), 15, np.uint8), significant_bits=4)
    assert shown[0, 0, 0] == 255


@pytest.mark.parametrize(
    ("cfa", "corner"), [("RGGB", (0, 0)), ("BGGR", (1, 1)), ("GRBG", (0, 1)), ("GBRG", (1, 0))]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_red_scene_under_any_mosaic_is_shown_red(
    cfa: str, corner: tuple[int, int], dtype: type
) -> None:
    mosaic = np.zeros((500, 600), dtype)
    mosaic[corner[0] :: 2, corner[1] :: 2] = np.iinfo(dtype).max
    blue, green, red = picture(mosaic, cfa=cfa)[250, 300]
    assert (blue, green, red) == (0, 0, 255)


def test_a_mosaic_too_small_to_demosaic_is_shown_as_grey() -> None:
    assert picture(np.full((2, 2), 9, np.uint8), cfa="RGGB").max() == 9


@pytest.mark.parametrize(("channels", "shown"), [(2, (0, 0, 0)), (4, (0, 1, 2)), (64, (0, 1, 2))])
def test_other_channel_counts_show_the_first(channels: int, shown: tuple[int, ...]) -> None:
    pixels = np.broadcast_to(np.arange(channels, dtype=np.uint8), (500, 600, channels)).copy()
    assert tuple(picture(pixels)[3, 3]) == shown


@pytest.mark.parametrize(
    ("shape", "want"),
    [
        ((1080, 1920), (900, 1600)),
        ((3000, 1000), (900, 300)),
        ((65_535, 1), (900, 1)),
        ((1, 1), (480, 480)),
        ((40, 50), (400, 500)),
        ((480, 640), (480, 640)),
    ],
)
def test_pictures_fit_the_screen(shape: tuple[int, int], want: tuple[int, int]) -> None:
    assert picture(np.zeros(shape, np.uint8)).shape == (*want, 3)


def test_a_reduced_picture_keeps_its_mean_and_both_ends() -> None:
    ramp = np.tile(np.linspace(0, 255, 4000).astype(np.uint8), (3000, 1))
    shown = picture(ramp)
    assert shown.shape == (900, 1200, 3)
    assert abs(float(shown.mean()) - float(ramp.mean())) < 1
    assert shown[0, 0, 0] <= 1
    assert shown[0, -1, 0] >= 254
