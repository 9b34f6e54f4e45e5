"""ScreenPicture: a frame converted for a screen, without any window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from rankcast.frame import Frame, Pixels, channels_of
from rankcast.opencv import cv2
from rankcast_receiver.sinks.debayer import Debayer, debayered
from rankcast_receiver.sinks.levels import Levels

_LEAST_SHOWN: Final = 480
"""Longer side, in pixels, that the text needs."""
_SHARP_FROM: Final = 3.0
"""Enlarged by this or more, samples are shown as squares instead of blurred."""


@dataclass(frozen=True, slots=True)
class ScreenPicture:
    """A frame as a screen shows it."""

    pixels: NDArray[np.uint8]
    """(H, W, 3), BGR; shares no memory with the frame."""
    low: float
    """Sample value shown as black."""
    high: float
    """Sample value shown as white."""


def natural_size(frame: Frame, max_width: int, max_height: int) -> tuple[int, int]:
    """Return width and height of `frame` on a screen: large ones reduced, tiny ones enlarged."""
    height, width = frame.pixels.shape[:2]
    scale = min(1.0, max_width / width, max_height / height)
    if scale == 1:
        least = -(-_LEAST_SHOWN // max(width, height))
        scale = max(1, min(max_width // width, max_height // height, least))
    return _scaled(width, height, scale)


def fitted_size(frame: Frame, max_width: int, max_height: int) -> tuple[int, int]:
    """Return the largest width and height of `frame` that fit."""
    height, width = frame.pixels.shape[:2]
    return _scaled(width, height, min(max_width / width, max_height / height))


def _scaled(width: int, height: int, scale: float) -> tuple[int, int]:
    return max(1, round(width * scale)), max(1, round(height * scale))


def screen_picture(
    frame: Frame,
    size: tuple[int, int],
    levels: Levels = Levels(),  # noqa: B008 - frozen
    debayer: Debayer = "edge-aware",
) -> ScreenPicture:
    """Convert `frame` to a picture for a screen.

    Of 2 channels the first is shown; of 4 or more the first three, as BGR.

    Parameters
    ----------
    frame : Frame
    size : tuple of int
        Width and height in pixels.
    levels : Levels
        Sample values shown as black and as white.
    debayer : str
        How the colours of a mosaic are interpolated.
    """
    pixels = _shown_channels(debayered(frame, debayer))
    height, width = pixels.shape[:2]
    if size[0] < width or size[1] < height:
        pixels = _reduced(pixels, size)
    low, high = levels.bounds(pixels, frame.bits)
    if (low, high) != (0.0, 255.0) or pixels.dtype != np.uint8:
        pixels = _stretched(pixels, low, high)
    if pixels.shape[:2] != (size[1], size[0]):
        pixels = _enlarged(pixels, size)
    if pixels.ndim == 2:
        shown = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    else:
        shown = np.array(pixels, order="C")
    return ScreenPicture(cast(NDArray[np.uint8], shown), low, high)


def _enlarged(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    height, width = pixels.shape[:2]
    whole = size[0] % width == 0 and size[1] % height == 0
    sharp = whole or size[0] / width >= _SHARP_FROM
    method = cv2.INTER_NEAREST if sharp else cv2.INTER_LINEAR
    return cast(Pixels, cv2.resize(pixels, size, interpolation=method))


def _stretched(pixels: Pixels, low: float, high: float) -> Pixels:
    """Map `low` to 0 and `high` to 255."""
    scale = 255 / (high - low)
    # convertScaleAbs would show values below `low` bright again, by their absolute value.
    clipped = cv2.max(pixels, low) if low > 0 else pixels
    return cast(Pixels, cv2.convertScaleAbs(clipped, alpha=scale, beta=-low * scale))


def _reduced(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Reduce a picture to (width, height), first by an integer and then by less than 2.

    Means over fractions of pixels (INTER_AREA with any other ratio) take ten times as long.
    """
    height, width = pixels.shape[:2]
    times = min(width // size[0], height // size[1])
    if times > 1:
        # Up to `times` - 1 rows and columns at the edge are not shown.
        whole = pixels[: height // times * times, : width // times * times]
        smaller = (width // times, height // times)
        pixels = cv2.resize(whole, smaller, interpolation=cv2.INTER_AREA)
    return cast(Pixels, cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR))


def _shown_channels(frame: Frame) -> Pixels:
    pixels = frame.pixels
    channels = channels_of(pixels.shape)
    if pixels.ndim == 3:
        if channels < 3:
            pixels = np.ascontiguousarray(pixels[:, :, 0])
        elif channels > 3:
            pixels = np.ascontiguousarray(pixels[:, :, :3])
    return pixels
