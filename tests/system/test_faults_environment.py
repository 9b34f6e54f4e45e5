"""Faults of the environment: one line and exit code 1 or 2, never a traceback or an abort."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from rankcast import Encoder
from support.later import later
from support.processes import rankcast_environment

pytestmark = pytest.mark.skipif(os.name == "nt", reason="shells and limits of POSIX")

COMMANDS = (
    ("rankcast", "--help"),
    ("rankcast", "info", "a.rkc"),
    ("rankcast", "compress", "a.png", "b.rkc", "--codec", "raw"),
    ("rankcast", "keys", "--help"),
    ("rankcast_sender", "--help"),
    ("rankcast_receiver", "--help"),
)
COMPARE = ("rankcast", "compare", "a.png", "--ranks", "1", "--out", "out")
"""It loads matplotlib."""
SEND = (
    "rankcast_sender", "--source", "synthetic:conveyor?width=64&height=48", "--codec", "raw",
    "--frames", "3", "--no-realtime", "--bind", "tcp://127.0.0.1:5731",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an image and a packet."""
    image = np.zeros((8, 8), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    (tmp_path / "a.rkc").write_bytes(Encoder("raw").encode(image))
    return tmp_path


def run(
    folder: Path, *words: str, shell: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in `folder`; `shell` is what a shell does around it, with `"$@"` in it."""
    command = [sys.executable, "-m", *words]
    if shell:
        command = ["bash", "-c", shell, "bash", *command]
    return subprocess.run(
        command,
        cwd=folder,
        env=rankcast_environment(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=170,
    )


def one_line(done: subprocess.CompletedProcess[str], *codes: int) -> str:
    assert done.returncode in codes, done.stderr
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_no_file_of_the_current_folder_is_run(folder: Path, words: tuple[str, ...]) -> None:
    for name in ("numpy", "click", "cv2", "zmq", "av", "rich", "typing", "logging", "signal"):
        (folder / f"{name}.py").write_text(f"raise SystemExit('ran {name}.py of the user')")
    done = run(folder, *words)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", COMMANDS[:2], ids=lambda words: " ".join(words[:2]))
def test_a_closed_standard_output_is_one_line(folder: Path, words: tuple[str, ...]) -> None:
    line = one_line(run(folder, *words, shell='"$@" >&-'), 1)
    assert line == "rankcast: Bad file descriptor"


@pytest.mark.parametrize("closed", [later("2>&-"), "2>&- <&-"])
def test_a_closed_standard_error_or_input_changes_nothing(folder: Path, closed: str) -> None:
    done = run(folder, *COMMANDS[1], shell=f'"$@" {closed}')
    assert done.returncode == 0
    assert "raw" in done.stdout
    assert run(folder, "rankcast", "info", "absent.rkc", shell=f'"$@" {closed}').returncode == 1


@pytest.mark.slow
def test_a_reader_that_reads_nothing_is_no_traceback(folder: Path) -> None:
    done = run(folder, *COMMANDS[1], shell='set -o pipefail; "$@" | head -n 0')
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OPENCV_IO_MAX_IMAGE_PIXELS", "many", COMMANDS[2]),
        later("OPENCV_IO_MAX_IMAGE_PIXELS", "", COMMANDS[2]),
        later("OPENCV_TRACE", "on", COMMANDS[2]),
        ("OPENCV_FOR_THREADS_NUM", "many", SEND),
        later("MPLBACKEND", "many", COMPARE),
        ("RANKCAST_LOG_LEVEL", "many", COMMANDS[1]),
    ],
)
def test_a_malformed_variable_of_a_library_is_one_line_that_names_it(
    folder: Path, name: str, value: str, words: tuple[str, ...]
) -> None:
    assert name in one_line(run(folder, *words, **{name: value}), 2)


@pytest.mark.slow
def test_variables_that_libraries_survive_change_nothing(folder: Path) -> None:
    # LC_ALL is left out: matplotlib asks fontconfig for fonts, which comments on an unknown locale.
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MPLCONFIGDIR", "MATPLOTLIBRC",
             "QT_QPA_PLATFORM", "TERM", "COLUMNS", "TZ", "HOME")  # fmt: skip
    done = run(folder, *COMPARE, **dict.fromkeys(names, "many"))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("descriptors", [10, later(16)])
def test_a_sender_without_descriptors_ends_with_one_line(folder: Path, descriptors: int) -> None:
    line = one_line(run(folder, *SEND, shell=f'ulimit -n {descriptors}; "$@"'), 1)
    assert "Too many open files" in line


@pytest.mark.slow
def test_an_escape_sequence_of_a_file_name_arrives_escaped(folder: Path) -> None:
    name = "evil\x1b[2J\nforged.rkc"
    line = one_line(run(folder, "rankcast", "info", name), 1, 2)
    assert r"evil\x1b[2J\nforged.rkc" in line
    done = run(folder, "rankcast", "info", f"--{name}")
    assert done.returncode == 2
    assert "\x1b" not in done.stderr + done.stdout
    (folder / name).write_bytes((folder / "a.rkc").read_bytes())
    done = run(folder, "rankcast", "info", name)
    assert done.returncode == 0
    assert "\x1b" not in done.stderr + done.stdout


@pytest.fixture
def display() -> Iterator[str]:
    """Start an X server without a screen, and return its name."""
    if shutil.which("Xvfb") is None:
        pytest.skip("no Xvfb here")
    command = ["Xvfb", "-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "640x480x24"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        yield f":{server.stdout.readline().strip()}"
        server.terminate()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("platform", [later("wayland"), later("wayland;xcb")])
def test_a_platform_of_qt_that_opencv_lacks_is_replaced(
    folder: Path, display: str, platform: str
) -> None:
    (folder / "numpy.py").write_text("raise SystemExit('ran a file of the user')")
    words = ("rankcast_receiver", "--connect", "tcp://127.0.0.1:5999", "--timeout", "1")
    done = run(folder, *words, "--display", QT_QPA_PLATFORM=platform, DISPLAY=display)
    assert done.returncode == 4, done.stderr
    assert ("QT_QPA_PLATFORM=wayland is not part" in done.stderr) is (platform == "wayland")
