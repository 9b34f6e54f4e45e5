"""`svd-patch` over whatever moves: shown is exactly what the encoder measured its error on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankcast
from rankcast.frame import Frame, Pixels
from rankcast.opencv import cv2
from rankcast.wire import unpack

pytestmark = pytest.mark.timeout(600)

_MARGIN = 60
_FRAMES = 6

TARGETS = st.one_of(
    st.fixed_dictionaries({"quality": st.integers(1, 100)}),
    st.fixed_dictionaries({"step": st.sampled_from([0.25, 1.0, 6.0, 30.0])}),
    st.fixed_dictionaries({"psnr": st.sampled_from([25.0, 33.0, 40.0, 48.0])}),
    st.fixed_dictionaries({"bitrate": st.sampled_from([5e4, 3e5, 2e6])}),
)
OPTIONS = st.fixed_dictionaries(
    {
        "refs": st.sampled_from([1, 2]),
        "rank": st.integers(1, 8),
        "colour": st.sampled_from(["ycc420", "ycc444"]),
        "gop": st.sampled_from([3, 1000]),
    }
)
SHAPES = st.tuples(st.integers(1, 120), st.integers(1, 160), st.sampled_from([1, 2, 3]))


def _frames(
    shape: tuple[int, int, int], dtype: str, blur: float, speed: tuple[float, float], noise: float
) -> list[Pixels]:
    """A texture that moves by `speed` samples a frame, with noise, under a patch that flickers."""
    height, width, channels = shape
    rng = np.random.default_rng(height * 1000 + width)
    wide = (height + 2 * _MARGIN, width + 2 * _MARGIN, channels)
    texture = cv2.GaussianBlur(rng.random(wide, np.float32), (0, 0), blur).reshape(wide)
    texture = (texture - texture.min()) / (np.ptp(texture) + 1e-9)
    frames = []
    for number in range(_FRAMES):
        away = [[1, 0, -_MARGIN - speed[1] * number], [0, 1, -_MARGIN - speed[0] * number]]
        moved = cv2.warpAffine(
            texture, np.array(away, np.float32), (width, height), flags=cv2.INTER_CUBIC
        ).reshape(shape)
        if number % 3 == 2:
            moved[height // 3 : height // 3 + 20, width // 4 : width // 4 + 20] = rng.random()
        moved = np.clip(moved + rng.normal(0, noise, shape), 0, 1)
        frames.append((moved * np.iinfo(dtype).max).astype(dtype))
    return frames


def _check(frames: list[Pixels], cfa: str, options: dict[str, Any]) -> None:
    encoder, decoder = rankcast.Encoder("svd-patch", **options), rankcast.Decoder()
    for number, pixels in enumerate(frames):
        frame = Frame(
            pixels[:, :, 0] if cfa else pixels, cfa=cfa, t_capture_mono_ns=1 + number * 40_000_000
        )
        packet = unpack(encoder.encode(frame))
        error = decoder.decode_packet(packet).astype(np.int64) - frame.pixels
        assert packet.header.squared_error == int((error * error).sum())


STREAM = {
    "shape": SHAPES,
    "dtype": st.sampled_from(["uint8", "uint16"]),
    "blur": st.sampled_from([0.6, 1.5, 4.0, 10.0]),
    "speed": st.tuples(st.floats(-9, 9), st.floats(-9, 9)),
    "noise": st.sampled_from([0.0, 0.002, 0.02]),
    "mosaic": st.booleans(),
    "options": OPTIONS,
    "target": TARGETS,
}


def _stream(
    shape: tuple[int, int, int],
    dtype: str,
    blur: float,
    speed: tuple[float, float],
    noise: float,
    mosaic: bool,
    options: dict[str, Any],
    target: dict[str, Any],
) -> None:
    frames = _frames(shape, dtype, blur, speed, noise)
    _check(frames, "RGGB" if mosaic else "", options | target)


@given(**STREAM)
@settings(max_examples=40, deadline=None)
def test_any_motion_is_shown_as_it_was_coded(**stream: Any) -> None:
    _stream(**stream)


@pytest.mark.slow
@given(**STREAM)
@settings(max_examples=2000, deadline=None)
def test_any_motion_of_many_more_streams_is_shown_as_it_was_coded(**stream: Any) -> None:
    _stream(**stream)


def test_a_cell_whose_parts_move_differently_keeps_its_edges() -> None:
    """On a slope to the lower right three samples up are three to the left; not so at its edge."""
    slope = np.arange(320)[None] * 100 + np.arange(64)[:, None] * 100
    encoder, decoder = rankcast.Encoder("svd-patch", step=200), rankcast.Decoder()
    for number in range(6, 12):
        picture = np.roll(slope, 3 * number, 1)[:, :64].astype(np.uint16)
        shown = decoder.decode(encoder.encode(picture))
        assert np.abs(shown.astype(int) - picture).max() < 200
