"""The only module that imports OpenCV: it first sets and checks the environment variables.

Everything else does ``from rankcast.opencv import cv2``.
"""

from __future__ import annotations

import os
import re
from typing import Final

from rankcast.atomic_file import os_reason
from rankcast.errors import RankcastError
from rankcast.opencv_environment import FFMPEG_QUIET, check_opencv_environment

# A picture file may claim any size, and OpenCV allocates memory for it before reading on.
# 2^28 pixels (16 k x 16 k) exceeds every industrial sensor and fits into memory.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 28))
# OpenCV's camera back-ends and decoders print errors to stderr that sources and image files
# report themselves, in one line.
os.environ.setdefault("OPENCV_LOG_LEVEL", "FATAL")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", FFMPEG_QUIET)
# Seconds that a V4L2 read may block (10 by default); the camera source measures its time-out in
# such steps.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")

check_opencv_environment()
_SIZE_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20}
_size = re.fullmatch(r"([0-9]+)(?:([KkMm])[Bb])?", os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"])
assert _size is not None  # checked above
MAX_IMAGE_PIXELS: Final = int(_size[1]) * _SIZE_UNITS[(_size[2] or "").lower()]
"""Most pixels that an image file may claim."""

try:
    import cv2
except (ImportError, OSError) as exc:
    raise RankcastError(
        f"OpenCV does not load ({os_reason(exc)}); on a machine without a screen install "
        "opencv-python-headless of the same version over opencv-python"
    ) from exc

__all__ = ["MAX_IMAGE_PIXELS", "cv2"]
