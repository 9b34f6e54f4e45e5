"""OpenCV's environment: a value that would end the process inside OpenCV is one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import rankcast

READ = """
import sys
from rankcast.errors import RankcastError
try:
    from rankcast.opencv import MAX_IMAGE_PIXELS, cv2
    import numpy as np
    assert cv2.imdecode(np.frombuffer(b"P5 2 1 255\\n12", np.uint8), 0) is not None
    print(MAX_IMAGE_PIXELS)
except RankcastError as exc:
    print(exc)
    sys.exit(exc.exit_code)
"""
BROKEN_CV2 = """
import builtins, sys
real = builtins.__import__
def fake(name, *rest):
    if name == "cv2":
        raise OSError("libGL.so.1: cannot open shared object file")
    return real(name, *rest)
builtins.__import__ = fake
from rankcast.errors import RankcastError
try:
    import rankcast.opencv
except RankcastError as exc:
    print(exc)
"""


def python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    common = str(Path(rankcast.__file__).resolve().parents[1])
    return subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": common, **environment},
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(("value", "pixels"), [("4096", 4096), ("2MB", 2 << 20), ("3kb", 3 << 10)])
def test_the_pixel_limit_of_opencv_is_ours(value: str, pixels: int) -> None:
    done = python(READ, OPENCV_IO_MAX_IMAGE_PIXELS=value)
    assert (done.returncode, done.stdout) == (0, f"{pixels}\n"), done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENCV_IO_MAX_IMAGE_PIXELS", "many"),
        ("OPENCV_IO_MAX_IMAGE_PIXELS", ""),
        ("OPENCV_IO_MAX_IMAGE_WIDTH", "-1"),
        ("OPENCV_IO_MAX_IMAGE_HEIGHT", "1e6"),
        ("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "soon"),
    ],
)
def test_rubbish_in_the_environment_is_one_line_and_exit_2(name: str, value: str) -> None:
    done = python(READ, **{name: value})
    assert done.returncode == 2, done.stderr
    assert done.stdout.startswith(f"got environment variable {name}='{value}', want a whole number")
    assert done.stderr == ""


def test_a_library_that_does_not_load_is_named() -> None:
    done = python(BROKEN_CV2)
    assert "OpenCV does not load (libGL.so.1: cannot open shared object file)" in done.stdout
