"""Overlay: converts a frame for a screen and draws text over it, without any window."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from rankcast.frame import Frame, Pixels, channels_of
from rankcast.opencv import cv2
from rankcast_receiver.sinks.debayer import Debayer, debayered
from rankcast_receiver.sinks.levels import Levels

_LEAST_SHOWN: Final = 480
"""Longer side, in pixels, that the text needs."""
_WHITE: Final = (255, 255, 255)
_RED: Final = (64, 64, 255)
_MOST_RED_LINES: Final = 3
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, slots=True)
class OverlayText:
    """The text over a picture."""

    lines: tuple[str, ...]
    """Lines of ASCII text, from top to bottom."""
    stale: str = ""
    """Warning in red, with a red border around the picture; empty while frames arrive."""


@dataclass(frozen=True, slots=True)
class ScreenPicture:
    """A frame as a screen shows it."""

    pixels: NDArray[np.uint8]
    """(H, W, 3), BGR; shares no memory with the frame."""
    low: float
    """Sample value shown as black."""
    high: float
    """Sample value shown as white."""


def screen_picture(
    frame: Frame,
    max_width: int,
    max_height: int,
    levels: Levels = Levels(),  # noqa: B008 - frozen
    debayer: Debayer = "edge-aware",
) -> ScreenPicture:
    """Convert `frame` to a picture that fits a screen.

    Of 2 channels the first is shown; of 4 or more the first three, as BGR. Large pictures are
    reduced, tiny ones enlarged by an integer.

    Parameters
    ----------
    frame : Frame
    max_width, max_height : int
        Pixels of the screen.
    levels : Levels
        Sample values shown as black and as white.
    debayer : str
        How the colours of a mosaic are interpolated.
    """
    pixels = _shown_channels(debayered(frame, debayer))
    height, width = pixels.shape[:2]
    scale = min(1.0, max_width / width, max_height / height)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = _reduced(pixels, size)
    else:
        times = min(
            max_width // width, max_height // height, -(-_LEAST_SHOWN // max(width, height))
        )
        if times > 1:
            pixels = np.repeat(np.repeat(pixels, times, axis=0), times, axis=1)
    low, high = levels.bounds(pixels, frame.bits)
    if (low, high) != (0.0, 255.0) or pixels.dtype != np.uint8:
        pixels = _stretched(pixels, low, high)
    if pixels.ndim == 2:
        shown = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    else:
        shown = np.array(pixels, order="C")
    return ScreenPicture(cast(NDArray[np.uint8], shown), low, high)


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


def draw_overlay(picture: NDArray[np.uint8], text: OverlayText) -> NDArray[np.uint8]:
    """Draw `text` on a copy of `picture`.

    Parameters
    ----------
    picture : ndarray, shape (H, W, 3), uint8
        BGR; not modified.
    text : OverlayText

    Returns
    -------
    ndarray, shape (H, W, 3), uint8
    """
    drawn = picture.copy()
    height, width = drawn.shape[:2]
    # Hershey capitals are 21 units high: at 0.5 small, but legible, on 640 pixels.
    size = min(0.8, max(0.4, width / 1280))
    step = round(36 * size)
    lines = [(line, _WHITE) for line in text.lines]
    # A letter is about 20 units wide; longer lines would be cut off at the edge.
    letters = max(16, int(width / (20 * size)))
    lines += [(line, _RED) for line in wrap(text.stale, letters)[:_MOST_RED_LINES]]
    band = drawn[: min(height, step * len(lines) + step // 2)]
    band //= 3  # dark enough for white text on any picture
    for number, (line, colour) in enumerate(lines):
        origin = (step // 3, step * (number + 1) - step // 6)
        cv2.putText(drawn, line, origin, _FONT, size, colour, 1 + (size > 0.6), cv2.LINE_AA)
    if text.stale:
        cv2.rectangle(drawn, (0, 0), (width - 1, height - 1), _RED, 3)
    return drawn
