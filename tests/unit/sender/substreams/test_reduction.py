"""Parts of pictures and their sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import UnsupportedImageError
from rankcast.frame import Frame
from rankcast_sender.substreams import Reduction

SHAPES = [(48, 64), (48, 64, 1), (48, 64, 3), (48, 64, 6), (47, 61, 3)]


def picture(shape: tuple[int, ...], dtype: type = np.uint8) -> np.ndarray:
    generator = np.random.default_rng(1)
    return generator.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("divisor", [2, 4])
def test_pixels_are_averages(shape: tuple[int, ...], dtype: type, divisor: int) -> None:
    pixels = picture(shape, dtype)
    reduced = Reduction(divisor).apply(Frame(pixels, frame=7)).pixels
    height, width = shape[0] // divisor, shape[1] // divisor
    assert reduced.shape == (height, width, *shape[2:])
    assert reduced.dtype == dtype
    whole = pixels[: height * divisor, : width * divisor].reshape(
        height, divisor, width, divisor, -1
    )
    means = whole.mean(axis=(1, 3)).reshape(reduced.shape)
    # Each halving rounds.
    assert np.abs(reduced.astype(float) - means).max() <= divisor / 4 + 1e-9


def test_a_frame_keeps_everything_but_its_pixels() -> None:
    frame = Frame(picture((48, 64)), frame=7, t_capture_mono_ns=5, t_capture_utc_ns=6,
                  significant_bits=7, meta={"serial": "A17"}, device_frame_id=9)  # fmt: skip
    reduced = Reduction(2).apply(frame)
    assert (reduced.frame, reduced.t_capture_mono_ns, reduced.t_capture_utc_ns) == (7, 5, 6)
    assert (reduced.significant_bits, reduced.meta, reduced.device_frame_id) == (
        7,
        {"serial": "A17"},
        9,
    )


def test_a_whole_picture_is_not_copied() -> None:
    frame = Frame(picture((48, 64)))
    assert Reduction().apply(frame) is frame
    part = Reduction(1, (8, 4, 16, 8)).apply(frame).pixels
    assert np.shares_memory(part, frame.pixels)
    assert (part == frame.pixels[4:12, 8:24]).all()


@pytest.mark.parametrize("cfa", ["RGGB", "BGGR", "GRBG", "GBRG"])
@pytest.mark.parametrize(("x", "y"), [(0, 0), (1, 0), (0, 1), (3, 5)])
@pytest.mark.parametrize("divisor", [1, 2, 4])
def test_a_mosaic_stays_one_of_the_same_colours(cfa: str, x: int, y: int, divisor: int) -> None:
    colours = {"R": 200, "G": 120, "B": 40}
    mosaic = np.empty((48, 64), np.uint8)
    for row in range(2):
        for column in range(2):
            mosaic[row::2, column::2] = colours[cfa[2 * row + column]]
    reduced = Reduction(divisor, (x, y, 33, 21)).apply(Frame(mosaic, cfa=cfa))
    for row in range(2):
        for column in range(2):
            of_one = reduced.pixels[row::2, column::2]
            assert (of_one == colours[reduced.cfa[2 * row + column]]).all()
    expected = (33, 21) if divisor == 1 else (33 // (2 * divisor) * 2, 21 // (2 * divisor) * 2)
    assert reduced.pixels.shape[::-1] == expected


@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from([1, 2, 4]),
    st.none() | st.tuples(*[st.integers(0, 80)] * 2, *[st.integers(1, 80)] * 2),
    st.booleans(),
)
def test_the_size_is_known_before_the_picture_or_it_is_refused(
    width: int,
    height: int,
    divisor: int,
    roi: tuple[int, int, int, int] | None,
    mosaic: bool,
) -> None:
    frame = Frame(np.zeros((height, width), np.uint8), cfa="RGGB" if mosaic else "")
    reduction = Reduction(divisor, roi)
    try:
        size = reduction.size_of(width, height, mosaic=mosaic)
    except UnsupportedImageError:
        with pytest.raises(UnsupportedImageError):
            reduction.apply(frame)
        inside = roi is None or (roi[0] + roi[2] <= width and roi[1] + roi[3] <= height)
        left = min((width, height) if roi is None else roi[2:]) // divisor
        assert not inside or left < (2 if mosaic else 1)
        return
    assert reduction.apply(frame).pixels.shape == size[::-1]


def test_a_part_outside_the_picture_is_named() -> None:
    with pytest.raises(UnsupportedImageError, match=r"\[60, 0, 10, 10\] ends at 70 x 10.* 64 x 48"):
        Reduction(1, (60, 0, 10, 10)).size_of(64, 48, mosaic=False)
