"""Overlay: converts a frame for a screen and draws text over it, without any window."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from rankcast.frame import Frame, Pixels, channels_of
from rankcast.opencv import cv2

_DEMOSAIC: Final = {
    "RGGB": cv2.COLOR_BayerRGGB2BGR,
    "BGGR": cv2.COLOR_BayerBGGR2BGR,
    "GRBG": cv2.COLOR_BayerGRBG2BGR,
    "GBRG": cv2.COLOR_BayerGBRG2BGR,
}
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


def screen_picture(frame: Frame, max_width: int, max_height: int) -> NDArray[np.uint8]:
    """Convert `frame` to a picture that fits a screen.

    Mosaics are demosaiced. Of 2 channels the first is shown; of 4 or more the first three, as BGR.
    Significant bits are scaled to 8. Large pictures are reduced, tiny ones enlarged by an integer.

    Parameters
    ----------
    frame : Frame
    max_width, max_height : int
        Pixels of the screen.

    Returns
    -------
    ndarray, shape (H, W, 3), uint8
        BGR; a copy that shares no memory with the frame.
    """
    pixels = _shown_channels(frame)
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
    if frame.bits != 8 or pixels.dtype != np.uint8:
        pixels = cv2.convertScaleAbs(pixels, alpha=255 / ((1 << frame.bits) - 1))
    if pixels.ndim == 2:
        return cast(NDArray[np.uint8], cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR))
    return cast(NDArray[np.uint8], np.array(pixels, order="C"))


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
    # Demosaicing needs neighbours on both sides.
    if frame.cfa and channels == 1 and min(pixels.shape[:2]) >= 3:
        return cast(Pixels, cv2.cvtColor(pixels, _DEMOSAIC[frame.cfa]))
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
