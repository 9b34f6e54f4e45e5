"""Environment variables of libraries, checked before the libraries are loaded.

OpenCV parses many of its variables while it is loaded, in C++ code that nothing can catch: one
that does not parse aborts the process. LLVM does so with a list of processor features; a processor
or a feature that it does not know it ignores, with a line on standard error for each kernel.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from typing import Final

from rankcast.errors import SettingsError
from rankcast.python_process import python_command

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
_COUNT: Final = (r"0*[1-9]\d{0,8}", "want a whole number of at least 1")
_FEATURES: Final = (r"([+-][\w.-]+(,[+-][\w.-]+)*)?", "want +FEATURE,-FEATURE,...")

_FORMATS: Final[Mapping[str, tuple[str, str]]] = {
    **{f"OPENCV_{name}": _SIZE for name in _OPENCV_SIZES},
    **{f"OPENCV_{name}": _SWITCH for name in _OPENCV_SWITCHES},
    "NUMBA_CPU_FEATURES": _FEATURES,
    "NUMBA_NUM_THREADS": _COUNT,
}

# Names depend on the version of LLVM and on the processor, and it lists them nowhere but on
# standard error.
_PROBE: Final = """
import sys
from llvmlite import binding
binding.initialize_native_target()
target = binding.Target.from_triple(binding.get_process_triple())
target.create_target_machine(cpu=sys.argv[1], features=sys.argv[2])
"""
_UNKNOWN: Final = re.compile(r"'(.*)' is not a recognized (processor|feature)")


def check_library_environment(prefix: str, environment: Mapping[str, str] = os.environ) -> None:
    """Check the variables of a library before it is loaded.

    Parameters
    ----------
    prefix : str
        ``OPENCV_`` or ``NUMBA_``.
    environment : mapping

    Raises
    ------
    SettingsError
        If the library would end the process, or fill the log, because of one of them.
    """
    for name, (pattern, wanted) in _FORMATS.items():
        value = environment.get(name) if name.startswith(prefix) else None
        if value is not None and not re.fullmatch(pattern, value, re.ASCII):
            raise SettingsError(f"got environment variable {name}={value!r:.60}, {wanted}")
    if prefix == "NUMBA_":
        _check_processor(environment)


def _check_processor(environment: Mapping[str, str]) -> None:
    """Ask LLVM, in a process of its own, whether it knows the processor and its features."""
    name = environment.get("NUMBA_CPU_NAME", "")
    features = environment.get("NUMBA_CPU_FEATURES", "")
    if not name and not features:
        return
    probe = subprocess.run(
        python_command("-c", _PROBE, name, features),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    if (unknown := _UNKNOWN.search(probe.stderr)) is not None:
        text, kind = unknown.groups()
        variable = "NUMBA_CPU_NAME" if kind == "processor" else "NUMBA_CPU_FEATURES"
        raise SettingsError(
            f"got environment variable {variable}={environment[variable]!r:.60}, want a {kind} "
            f"that LLVM knows: it does not know {text!r:.60}"
        )
