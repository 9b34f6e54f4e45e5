"""Text over a picture: readable on any picture, and never cut off."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rankcast_receiver.sinks.display.keys import KEYS
from rankcast_receiver.sinks.overlay import (
    OverlayText,
    draw_notices,
    draw_overlay,
    draw_table,
)

ROWS = [(row.label, row.text) for row in KEYS]


def drawn(picture: NDArray[np.uint8], text: OverlayText) -> NDArray[np.uint8]:
    copy = picture.copy()
    draw_overlay(copy, text)
    return copy


def white(width: int, height: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 255, np.uint8)


def amber(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (picture[:, :, 2] > 200) & (picture[:, :, 0] < 60) & (picture[:, :, 1] > 150)


@pytest.mark.parametrize("width", [240, 400, 640, 1600, 3840])
def test_a_long_line_is_broken_before_the_edge(width: int) -> None:
    picture = white(width, 600)
    draw_notices(picture, ["saved /home/operator/" + "a-long-folder/" * 20 + "x.png"])
    found = np.flatnonzero(amber(picture).any(axis=0))
    assert found.size
    assert found[-1] < width - 2


@pytest.mark.parametrize("width", [400, 640, 1600, 3840])
def test_paused_is_written_in_large_letters_and_framed(width: int) -> None:
    height = width * 9 // 16
    picture = drawn(white(width, height), OverlayText(("cam",), banner=("PAUSED", "9.9 s old")))
    letters = amber(picture[6:-6, 6:-6])
    rows, columns = np.flatnonzero(letters.any(axis=1)), np.flatnonzero(letters.any(axis=0))
    assert len(rows) > height / 20
    assert columns[-1] - columns[0] > width / 10
    assert rows[-1] < height / 2, "the middle of the picture stays free"
    assert amber(picture)[-2].all(), "the border"


@pytest.mark.parametrize("size", [(320, 240), (640, 360), (1600, 900), (3840, 2160)])
def test_the_list_of_keys_fits_into_any_window(size: tuple[int, int]) -> None:
    picture = white(*size)
    draw_table(picture, "Keys", ROWS)
    dark = picture.max(axis=2) < 60
    assert dark.any()
    assert not dark[:, [0, 1, -2, -1]].any(), "no row reaches the edge"
    assert not dark[[0, -1]].any()


def test_letters_that_the_font_lacks_do_not_fail() -> None:
    draw_notices(white(640, 360), ["saved /home/jörg/写真.png"])


def test_a_selected_picture_has_a_border_inside_that_of_a_stale_one() -> None:
    picture = drawn(white(640, 360), OverlayText(("cam",), stale="STALE 2 s", selected=True))
    assert tuple(picture[-1, 5]) == (64, 64, 255)
    assert tuple(picture[-6, 100]) == (255, 208, 64)


def test_a_stale_picture_says_so_in_red() -> None:
    grey = np.full((300, 640, 3), 100, np.uint8)
    calm = drawn(grey, OverlayText(("cam #1", "svd")))
    alarm = drawn(grey, OverlayText(("cam #1", "svd"), stale="STALE 2.0 s"))
    assert (calm.max(axis=2) - calm.min(axis=2)).max() == 0, "white on grey has no colour"
    assert tuple(alarm[-1, 5]) == (64, 64, 255)
    red = (alarm[:, :, 2] > 200) & (alarm[:, :, 0] < 100)
    assert red[3:-3, 3:-3].sum() > 50, "the text itself"
    assert calm[:40].max() > 230, "white text at the top"
    assert (calm[150:] == 100).all(), "the picture below is untouched"


def test_long_warnings_are_wrapped_and_stay_on_the_picture() -> None:
    grey = np.full((300, 640, 3), 100, np.uint8)
    short = drawn(grey, OverlayText(("cam",), stale="STALE 2.0 s"))
    long = drawn(grey, OverlayText(("cam",), stale="STALE 2.0 s: " + "many words " * 30))
    darkened = [int((picture[:, 600].max(axis=1) < 60).sum()) for picture in (short, long)]
    assert darkened[1] > darkened[0], "more lines, and a larger band behind them"
    assert (long[200:295, 5:635] == 100).all(), "three lines at most"


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 900, 3), (900, 1, 3)])
def test_the_overlay_accepts_pictures_too_small_for_text(shape: tuple[int, ...]) -> None:
    assert drawn(np.zeros(shape, np.uint8), OverlayText(("x",), "y")).shape == shape
