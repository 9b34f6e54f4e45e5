"""Result of an image decoder, and the checks common to all decoders.

A decoder receives the bytes of a file and raises ImageFileError or DamagedImageError with only the
reason; `load_image` adds the path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rankcast.errors import ImageFileError
from rankcast.frame import Pixels
from rankcast.opencv import MAX_IMAGE_PIXELS, cv2

MAX_FILE_SAMPLES: Final = 3 * MAX_IMAGE_PIXELS
"""Samples of a colour picture of the largest size that a file may claim."""
ANIMATION: Final = "is an animation, want a still picture: extract its frames first"
"""Why every format refuses one."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Pixels of a file, with notes on omitted or damaged content."""

    pixels: Pixels
    omitted: str = ""
    """Content of the file omitted from `pixels`, such as its alpha channel; empty if none."""
    damage: str = ""
    """Damage reported by the decoder; empty if none."""


def check_size(height: int, width: int, channels: int = 1) -> None:
    """Reject a picture that is too large, before memory is allocated for it.

    Raises
    ------
    ImageFileError
        If a side is 0 or the pixels exceed OPENCV_IO_MAX_IMAGE_PIXELS.
    """
    if not (height and width and channels):
        raise ImageFileError("is damaged: it has a side of 0")
    if height * width * channels > MAX_FILE_SAMPLES:
        raise ImageFileError(
            f"claims {height * width * channels} samples, the limit is {MAX_FILE_SAMPLES} "
            "(3 x OPENCV_IO_MAX_IMAGE_PIXELS)"
        )
    if height * width > MAX_IMAGE_PIXELS:
        raise ImageFileError(
            f"claims {height * width} pixels, the limit is {MAX_IMAGE_PIXELS} "
            "(OPENCV_IO_MAX_IMAGE_PIXELS)"
        )


def bgr_of(pixels: Pixels) -> Pixels:
    """Swap red and blue of RGB pixels."""
    bgr: Pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return bgr
