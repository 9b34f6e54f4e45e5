"""The one place that imports OpenCV: limits that must be set before, and a clear word if it fails.

Everything else does ``from rankcast.opencv import cv2``.
"""

from __future__ import annotations

import os

from rankcast.errors import RankcastError
from rankcast.library_environment import check_library_environment

# A picture file may claim any size; OpenCV allocates it before reading on. 2^28 pixels
# (16 k x 16 k) is above every industrial sensor and below what a station can hold.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 28))
# The camera layers and the file decoders print to stderr (hundreds of lines for one damaged
# TIFF) what sources and image files report in one line of their own.
os.environ.setdefault("OPENCV_LOG_LEVEL", "FATAL")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
# Seconds that a V4L2 read may block (10 by default); the camera source counts its own
# time-out in such steps.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")

check_library_environment("OPENCV_")

try:
    import cv2
except ImportError as exc:
    raise RankcastError(
        f"OpenCV does not load ({exc}); on a machine without a screen install "
        "opencv-python-headless of the same version over opencv-python"
    ) from exc

__all__ = ["cv2"]
