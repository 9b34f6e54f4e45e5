"""Environment variables of libraries: one clear error instead of an aborted process."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rankcast.errors import SettingsError
from rankcast.library_environment import _FORMATS, check_library_environment
from rankcast.opencv import cv2


@pytest.mark.parametrize("name", sorted(_FORMATS))
@pytest.mark.parametrize("value", ["many", " 1", "1e9", "-"])
def test_a_value_that_would_end_the_process_is_a_wrong_setting(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"got environment variable {name}=.*want"):
        check_library_environment(name.partition("_")[0] + "_", {name: value})


@pytest.mark.parametrize(
    ("name", "value", "unknown"),
    [("NUMBA_CPU_NAME", "foo", "foo"), ("NUMBA_CPU_NAME", "-c", "-c"),
     ("NUMBA_CPU_FEATURES", "-a-feature-of-none", "-a-feature-of-none")],
)  # fmt: skip
def test_a_processor_that_llvm_would_ignore_at_every_kernel_is_a_wrong_setting(
    name: str, value: str, unknown: str
) -> None:
    with pytest.raises(SettingsError, match=f"{name}='{value}', want.*know '{unknown}'$"):
        check_library_environment("NUMBA_", {name: value})


@pytest.mark.parametrize("value", ["0", "-3", "00", ""])
def test_numba_wants_at_least_one_thread(value: str) -> None:
    with pytest.raises(SettingsError, match=r"NUMBA_NUM_THREADS=.*at least 1"):
        check_library_environment("NUMBA_", {"NUMBA_NUM_THREADS": value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("OPENCV_IO_MAX_IMAGE_PIXELS", "1000"), ("OPENCV_IO_MAX_IMAGE_PIXELS", "64MB"),
     ("OPENCV_IO_MAX_IMAGE_PIXELS", "64kb"), ("OPENCV_TRACE", "1"), ("OPENCV_TRACE", "false"),
     ("OPENCV_LOG_LEVEL", "anything"), ("NUMBA_CPU_FEATURES", ""), ("NUMBA_CPU_NAME", ""),
     ("NUMBA_CPU_NAME", "generic"), ("NUMBA_NUM_THREADS", "1"), ("NUMBA_NUM_THREADS", "64"),
     pytest.param("NUMBA_CPU_FEATURES", "+avx2,-avx512f", marks=pytest.mark.skipif(
         platform.machine().lower() not in ("x86_64", "amd64"), reason="features of x86"))],
)  # fmt: skip
def test_what_the_library_accepts_is_accepted(name: str, value: str) -> None:
    check_library_environment(name.partition("_")[0] + "_", {name: value})


def test_only_the_variables_of_the_library_that_is_loaded_are_checked() -> None:
    check_library_environment("NUMBA_", {"OPENCV_TRACE": "many"})


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_other_variable_of_opencv_aborts_its_import() -> None:
    library = next(Path(cv2.__file__).parent.glob("cv2*.so"))
    names = set(re.findall(rb"OPENCV_[A-Z0-9_]{3,}(?=\0)", library.read_bytes()))
    assert b"OPENCV_IO_MAX_IMAGE_PIXELS" in names
    for name in sorted(name.decode() for name in names):
        if name not in _FORMATS:
            done = subprocess.run(
                [sys.executable, "-c", "import cv2"],
                env={**os.environ, name: "many"},
                capture_output=True,
            )
            assert done.returncode >= 0, name
