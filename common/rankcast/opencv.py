"""The one place that imports OpenCV: environment variables it reads are set and checked first.

Everything else does ``from rankcast.opencv import cv2``.
"""

from __future__ import annotations

import os
import re
from typing import Final

from rankcast.atomic_file import os_reason
from rankcast.errors import RankcastError, SettingsError

# A picture file may claim any size, and OpenCV allocates it before it reads on. 2^28 pixels
# (16 k x 16 k) is above every industrial sensor and fits into memory.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 28))
# OpenCV's camera backends and decoders print to stderr what sources and image files report in
# one line of their own.
os.environ.setdefault("OPENCV_LOG_LEVEL", "FATAL")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
# Seconds that a V4L2 read may block (10 by default); the camera source counts its own
# time-out in such steps.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")

_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20}


def _size_in(variable: str) -> int:
    """Value of an environment variable that OpenCV reads as a size, such as 1000000 or 64MB."""
    text = os.environ[variable]
    # Anything else ends the process inside OpenCV, with a C++ exception.
    match = re.fullmatch(r"([0-9]{1,18})(?:(?:([KkMm])b)|(?:([KM])B))?", text)
    if match is None:
        raise SettingsError(f"got {variable}={text!r:.40}, want a whole number such as 268435456")
    return int(match[1]) * _UNITS[(match[2] or match[3] or "").lower()]


for _variable in (
    "OPENCV_IO_MAX_IMAGE_WIDTH",
    "OPENCV_IO_MAX_IMAGE_HEIGHT",
    "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT",
):
    if _variable in os.environ:
        _size_in(_variable)
MAX_IMAGE_PIXELS: Final = _size_in("OPENCV_IO_MAX_IMAGE_PIXELS")
"""Pixels that an image file may claim."""

try:
    import cv2
except (ImportError, OSError) as exc:
    raise RankcastError(
        f"OpenCV does not load ({os_reason(exc)}); on a machine without a screen install "
        "opencv-python-headless of the same version over opencv-python"
    ) from exc

__all__ = ["MAX_IMAGE_PIXELS", "cv2"]
