"""Environment variables of OpenCV, checked before it is loaded.

OpenCV parses many of its variables while it is loaded, in C++ code that nothing can catch: one
that does not parse aborts the process.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from rankcast.errors import SettingsError

FFMPEG_QUIET: Final = "-8"
"""What `rankcast.opencv` sets OPENCV_FFMPEG_LOGLEVEL to where it is not set."""

# Found by setting every variable that is named in the library of OpenCV 5.0 to a word. Those that
# it reads as text, and those of dnn, which is not used here, accept everything.
_OPENCV_SIZES: Final = (
    "FFMPEG_DECODE_ATTEMPTS", "FFMPEG_READ_ATTEMPTS", "FOR_THREADS_NUM",
    "IMGCODECS_AVIF_MAX_FILE_SIZE", "IMGCODECS_WEBP_MAX_FILE_SIZE", "IO_MAX_IMAGE_HEIGHT",
    "IO_MAX_IMAGE_PARAMS", "IO_MAX_IMAGE_PIXELS", "IO_MAX_IMAGE_WIDTH",
    "KMEANS_PARALLEL_GRANULARITY", "OPENCL_ALIGNMENT_MEM_USE_HOST_PTR",
    "THREAD_POOL_ACTIVE_WAIT_MAIN", "THREAD_POOL_ACTIVE_WAIT_PAUSE_LIMIT",
    "THREAD_POOL_ACTIVE_WAIT_THREADS_LIMIT", "THREAD_POOL_ACTIVE_WAIT_WORKER",
    "TRACE_DEPTH_OPENCV", "TRACE_MAX_CHILDREN", "TRACE_MAX_CHILDREN_OPENCV",
    "VIDEOIO_V4L_DEFAULT_HEIGHT", "VIDEOIO_V4L_DEFAULT_WIDTH", "VIDEOIO_V4L_SELECT_TIMEOUT",
)  # fmt: skip
_OPENCV_SWITCHES: Final = (
    "BUFFER_AREA_ALWAYS_SAFE", "DUMP_CONFIG", "DUMP_ERRORS", "ENABLE_MEMALIGN",
    "FFMPEG_IS_THREAD_SAFE", "FFMPEG_SKIP_LOG_CALLBACK", "GAUSSIANBLUR_CHECK_BITEXACT_KERNELS",
    "OPENCL_CACHE_CLEANUP", "OPENCL_CACHE_ENABLE", "OPENCL_CACHE_LOCK_ENABLE",
    "OPENCL_CACHE_WRITE", "OPENCL_DISABLE_BUFFER_RECT_OPERATIONS",
    "OPENCL_ENABLE_MEM_USE_HOST_PTR", "OPENCL_VALIDATE_BINARY_PROGRAMS",
    "SKIP_CPU_BASELINE_CHECK", "TRACE", "TRACE_ITT_ENABLE", "TRACE_ITT_PARENT",
    "TRACE_ITT_SET_THREAD_NAME", "TRACE_SYNC_OPENCL", "VIDEOCAPTURE_DEBUG", "VIDEOIO_DEBUG",
    "VIDEOIO_V4L_RANGE_NORMALIZED", "VIDEOWRITER_DEBUG",
)  # fmt: skip

_SIZE: Final = (r"\d{1,18}([KM]B|[KM]b|[km]b)?", "want a whole number, such as 1000 or 64MB")
_SWITCH: Final = (r"0|1|[Tt]rue|TRUE|[Ff]alse|FALSE", "want 0 or 1")

_FORMATS: Final[Mapping[str, tuple[str, str]]] = {
    **{f"OPENCV_{name}": _SIZE for name in _OPENCV_SIZES},
    **{f"OPENCV_{name}": _SWITCH for name in _OPENCV_SWITCHES},
}


def check_opencv_environment(environment: Mapping[str, str] = os.environ) -> None:
    """Check the variables of OpenCV before it is loaded.

    Raises
    ------
    SettingsError
        If OpenCV would end the process because of one of them.
    """
    for name, (pattern, wanted) in _FORMATS.items():
        value = environment.get(name)
        if value is not None and not re.fullmatch(pattern, value, re.ASCII):
            raise SettingsError(f"got environment variable {name}={value!r:.60}, {wanted}")
