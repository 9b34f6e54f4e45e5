"""Environment variables of OpenCV: one clear error instead of an aborted process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rankcast.errors import SettingsError
from rankcast.opencv import cv2
from rankcast.opencv_environment import _FORMATS, check_opencv_environment


@pytest.mark.parametrize("name", sorted(_FORMATS))
@pytest.mark.parametrize("value", ["many", " 1", "1e9", "-"])
def test_a_value_that_would_end_the_process_is_a_wrong_setting(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"got environment variable {name}=.*want"):
        check_opencv_environment({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("OPENCV_IO_MAX_IMAGE_PIXELS", "1000"), ("OPENCV_IO_MAX_IMAGE_PIXELS", "64MB"),
     ("OPENCV_IO_MAX_IMAGE_PIXELS", "64kb"), ("OPENCV_TRACE", "1"), ("OPENCV_TRACE", "false"),
     ("OPENCV_LOG_LEVEL", "anything")],
)  # fmt: skip
def test_what_opencv_accepts_is_accepted(name: str, value: str) -> None:
    check_opencv_environment({name: value})


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
