"""What a decoder hands back, and the checks that all decoders share.

A decoder takes the bytes of a file and raises ImageFileError or DamagedImageError with the reason
alone; `load_image` adds the path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rankcast.errors import ImageFileError
from rankcast.frame import Pixels
from rankcast.opencv import MAX_IMAGE_PIXELS, cv2

MAX_FILE_SAMPLES: Final = 3 * MAX_IMAGE_PIXELS
"""A colour picture of as many pixels as a file may claim."""
ANIMATION: Final = "is an animation, want a still picture: extract its frames first"
"""Why every format refuses one."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Pixels of a file, and what a user of them has to know."""

    pixels: Pixels
    omitted: str = ""
    """What the file holds beyond `pixels`, such as its alpha channel; empty for nothing."""
    damage: str = ""
    """What the decoder reported about damaged data; empty for none."""


def check_size(height: int, width: int, channels: int = 1) -> None:
    """Refuse a picture that would not fit, before memory is allocated for it.

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
