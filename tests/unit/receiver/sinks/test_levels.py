"""Levels of the window and colours of mosaics: what a screen makes of deep and raw frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rankcast.errors import SettingsError
from rankcast.frame import Frame, Pixels
from rankcast.images import read_image
from rankcast_receiver.sinks.debayer import Debayer, debayered
from rankcast_receiver.sinks.display.tile import Tile
from rankcast_receiver.sinks.levels import Levels, moved, parse_levels
from rankcast_receiver.sinks.save import SaveOptions, SaveSink
from rankcast_receiver.sinks.screen_picture import natural_size, screen_picture

RAMP: Pixels = np.tile(np.arange(1000, 3000, 2, dtype=np.uint16), (600, 1))
"""12 bits from 1000 to 2998, 1000 pixels wide: shown without scaling."""


def shown(pixels: Pixels, levels: str, bits: int = 12) -> np.ndarray:
    frame = Frame(pixels, significant_bits=bits)
    return screen_picture(frame, natural_size(frame, 1600, 900), parse_levels(levels)).pixels[
        0, :, 0
    ]


def test_full_levels_show_all_significant_bits() -> None:
    row = shown(RAMP, "full")
    assert row[0] == round(1000 / 4095 * 255)
    assert row[-1] == round(2998 / 4095 * 255)


def test_minmax_levels_stretch_the_darkest_to_the_brightest_sample() -> None:
    row = shown(RAMP, "minmax")
    assert (row[0], row[-1]) == (0, 255)
    assert (np.diff(row.astype(int)) >= 0).all()


def test_percentile_levels_ignore_a_hot_pixel() -> None:
    hot = RAMP.copy()
    hot[0, 0] = 4095
    assert shown(hot, "percentile")[-1] == 255
    assert shown(hot, "minmax")[-1] < 200


def test_fixed_levels_clip_at_both_ends() -> None:
    row = shown(RAMP, "1500:2500")
    assert (row[:250] == 0).all()
    assert (row[750:] == 255).all()
    assert row[500] == pytest.approx(127.5, abs=1)


def test_auto_levels_stretch_deep_frames_alone() -> None:
    assert shown(RAMP, "auto")[-1] == 255
    grey = np.full((600, 1000), 90, np.uint8)
    grey[:, 0] = 100
    assert list(shown(grey, "auto", bits=8)[:2]) == [100, 90]


def test_an_even_picture_is_shown_as_it_is() -> None:
    assert set(shown(np.full_like(RAMP, 2048), "minmax")) == {128}


def test_the_text_over_a_deep_picture_names_its_levels() -> None:
    tile = Tile(Frame(RAMP, significant_bits=12), 0.0, Levels("minmax"))
    tile.picture(1600, 900)
    assert "12 bits 1000:2998" in tile.text(0.0, 0, None).lines[1]


def test_the_text_over_eight_bits_names_none() -> None:
    tile = Tile(Frame(np.zeros((600, 1000), np.uint8)), 0.0)
    tile.picture(1600, 900)
    assert "bits" not in tile.text(0.0, 0, None).lines[1]


@pytest.mark.parametrize("text", ["", "Full", "5", "5:5", "9:5", "0:65536", "-1:5", "1:2:3", "a:b"])
def test_other_levels_are_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(SettingsError, match=r"want auto, full, minmax, percentile, or LOW:HIGH"):
        parse_levels(text)


def mosaic(cfa: str, colour: tuple[int, int, int], dtype: type = np.uint8) -> Frame:
    """Return the mosaic of an even picture of one BGR colour."""
    values = dict(zip("BGR", colour, strict=True))
    tile = np.array([values[letter] for letter in cfa], dtype).reshape(2, 2)
    return Frame(np.tile(tile, (20, 30)), cfa=cfa)


@pytest.mark.parametrize("cfa", ["RGGB", "BGGR", "GRBG", "GBRG"])
@pytest.mark.parametrize("method", ["edge-aware", "bilinear"])
@pytest.mark.parametrize(("dtype", "scale"), [(np.uint8, 1), (np.uint16, 200)])
def test_each_mosaic_becomes_its_colour_at_its_depth(
    cfa: str, method: Debayer, dtype: type, scale: int
) -> None:
    colour = (30 * scale, 120 * scale, 220 * scale)
    frame = debayered(mosaic(cfa, colour, dtype), method)
    assert frame.pixels.dtype == dtype
    assert frame.cfa == ""
    assert (frame.pixels[4:-4, 4:-4] == np.array(colour, dtype)).all()


def test_off_keeps_the_mosaic() -> None:
    frame = mosaic("RGGB", (1, 2, 3))
    assert debayered(frame, "off") is frame


def test_a_frame_without_a_mosaic_stays() -> None:
    frame = Frame(np.zeros((8, 8), np.uint8))
    assert debayered(frame, "edge-aware") is frame


@pytest.mark.parametrize("debayer", [False, True])
def test_mosaics_are_saved_as_they_came_or_in_colour(tmp_path: Path, debayer: bool) -> None:
    sink = SaveSink(SaveOptions(folder=tmp_path, format="tiff", debayer=debayer))
    frame = mosaic("GBRG", (1000, 2000, 60_000), np.uint16)
    sink.put(Frame(frame.pixels, cfa=frame.cfa, camera="cam"))
    sink.close()
    saved = read_image(next(tmp_path.glob("cam_*")))
    if debayer:
        assert (saved[4:-4, 4:-4] == np.array((1000, 2000, 60_000))).all()
    else:
        assert (saved == frame.pixels).all()


@pytest.mark.parametrize(
    ("bounds", "change", "want"),
    [
        ((1000, 2000), {"width_factor": 0.8}, (1100, 1900)),
        ((1000, 2000), {"width_factor": 1.25}, (875, 2125)),
        ((1000, 2000), {"shift": 0.1}, (1100, 2100)),
        ((1000, 2000), {"shift": -0.1}, (900, 1900)),
        ((0, 4095), {"width_factor": 1.25}, (0, 4095)),
        ((3500, 4095), {"shift": 0.1}, (3500, 4095)),
        ((0, 100), {"shift": -0.1}, (0, 100)),
        ((7, 8), {"width_factor": 0.8}, (7, 8)),
        ((7, 8), {"width_factor": 1.25}, (6, 8)),
        ((7, 8), {"shift": 0.1}, (8, 9)),
    ],
)
def test_moved_levels_stay_within_the_samples(
    bounds: tuple[float, float], change: dict[str, float], want: tuple[int, int]
) -> None:
    assert moved(bounds, 4095, **change) == Levels("fixed", *want)


def test_automatic_levels_never_exceed_the_significant_bits() -> None:
    overshot = np.full((600, 1000), 4099, np.uint16)
    overshot[:, :500] = 10
    assert Levels().bounds(overshot, 12) == (10, 4095)
