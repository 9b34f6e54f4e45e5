"""The recipe of docs/install.md for a station without internet access, from folder to stream."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.processes import REPOSITORY

BUILD_S = 900.0
PROBE_S = 60.0
HEADLESS = ("--no-deps", "--force-reinstall", "opencv-python-headless")


def call(
    command: Sequence[str], folder: Path, timeout_s: float = BUILD_S
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder without the sources of this checkout on its path."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout_s
    )


def succeed(command: Sequence[str], folder: Path) -> str:
    done = call(command, folder)
    assert done.returncode == 0, f"{command}: {done.stdout[-1000:]}{done.stderr[-2000:]}"
    return done.stdout


def why_not(folder: Path) -> str:
    """Why pip cannot download here; empty if it can."""
    probe = [sys.executable, "-m", "pip", "download", "--no-deps", "--retries", "0",
             "--dest", str(folder / "probe"), "click"]  # fmt: skip
    try:
        done = call(probe, folder, PROBE_S)
    except subprocess.TimeoutExpired:
        return f"pip downloads nothing here within {PROBE_S:.0f} s"
    said = done.stderr.strip().splitlines() or ["no reason given"]
    return f"pip cannot download here: {said[-1]}" if done.returncode else ""


@pytest.mark.slow
@pytest.mark.timeout(3 * BUILD_S)
def test_a_folder_of_wheels_installs_without_an_index_and_streams(tmp_path: Path) -> None:
    if reason := why_not(tmp_path):
        pytest.skip(reason)
    wheels = tmp_path / "wheelhouse"
    script = str(REPOSITORY / "scripts" / "wheelhouse.py")
    assert "listed in SHA256SUMS" in succeed([sys.executable, script, str(wheels)], tmp_path)
    succeed(["sha256sum", "--check", "--quiet", "SHA256SUMS"], wheels)
    venv.create(tmp_path / "station", with_pip=True)
    programs = tmp_path / "station" / "bin"
    install = [str(programs / "pip"), "install", "--no-index", "--find-links", str(wheels)]
    succeed([*install, "rankcast"], tmp_path)
    # As on a station without a screen; the same version has to fit.
    succeed([*install, *HEADLESS], tmp_path)
    where = succeed(
        [str(programs / "python"), "-c", "import rankcast; print(rankcast.__file__)"], tmp_path
    )
    assert where.startswith(str(tmp_path / "station"))
    assert "frames" in succeed([str(programs / "rankcast"), "demo"], tmp_path)
