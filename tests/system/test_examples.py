"""The examples run as they are written, each in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from rankcast.images import read_image, write_image
from rankcast_receiver import Subscriber
from support.fakes import free_address
from support.processes import rankcast, rankcast_environment

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MAX_LINES = 30
WAIT_S = 50.0

RECORDER = """
import cv2
shown = []
cv2.imshow = lambda title, picture: shown.append(picture.shape) or print(title, picture.shape)
cv2.waitKey = lambda delay_ms: ord("q") if len(shown) == 5 else -1
"""
"""A screen for machines without one: prints what is shown, and presses q after five pictures."""


def start(
    name: str, *arguments: str, launcher: Sequence[str] = (), **environment: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*launcher, sys.executable, str(EXAMPLES / name), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=rankcast_environment(**environment),
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for the end of an example and return what it printed."""
    with process:
        out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, err
    return out


def pictures(folder: Path, count: int) -> list[Path]:
    """Write smooth pictures to `folder`."""
    folder.mkdir()
    rows, columns = np.mgrid[:48, :64]
    paths = [folder / f"picture{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        write_image(path, np.dstack([rows, columns, rows + number]).astype(np.uint8))
    return paths


def test_every_example_fits_on_a_screen_and_has_a_test_here() -> None:
    examples = sorted(EXAMPLES.glob("*.py"))
    assert len(examples) == 5
    source = Path(__file__).read_text("utf-8")
    for path in examples:
        assert len(path.read_text("utf-8").splitlines()) <= MAX_LINES, path.name
        assert f'"{path.name}"' in source, path.name


@contextmanager
def publishing(address: str) -> Iterator[None]:
    """Publish from numpy for as long as the block lasts."""
    process = start("publish_numpy.py", address, "1000000")
    try:
        yield
        assert process.poll() is None, "it ended before it had published all"
    finally:
        process.terminate()
        process.communicate(timeout=WAIT_S)


def test_arrays_that_are_published_arrive() -> None:
    address = free_address()
    with publishing(address), Subscriber(address, timeout_s=WAIT_S) as subscriber:
        frames = list(islice(subscriber, 3))
    assert [frame.camera for frame in frames] == ["waves"] * 3
    assert all(frame.pixels.shape == (480, 640, 3) for frame in frames)
    assert all(frame.meta == {"number": frame.sequence} for frame in frames)


def test_publishing_ends_after_the_frames_that_were_asked_for() -> None:
    address = free_address()
    process = start("publish_numpy.py", address, "2")
    with Subscriber(address, timeout_s=WAIT_S) as subscriber:
        next(iter(subscriber))
        finish(process)


@pytest.mark.slow
def test_a_source_of_the_users_own_is_sent_with_its_options_and_closed() -> None:
    address = free_address()
    example = EXAMPLES / "own_source.py"
    source = f"python:{example}:waves?width=160&height=120"
    with (
        rankcast("send", "--source", source, "--bind", address) as sender,
        Subscriber(address, timeout_s=WAIT_S) as subscriber,
    ):
        frames = list(islice(subscriber, 3))
        sender.signal(signal.SIGTERM)
        assert sender.wait() == 0, sender.lines
        assert sender.process.stdout is not None
        assert sender.process.stdout.read() == "closed\n"
    assert all(frame.pixels.shape == (120, 160, 3) for frame in frames)


def shows(launcher: Sequence[str] = (), **environment: str) -> list[str]:
    """Publish to the example that shows until it ends, and return the lines that it printed."""
    address = free_address()
    with publishing(address):
        example = start("subscribe_and_show.py", address, launcher=launcher, **environment)
        return finish(example).splitlines()


def test_what_arrives_is_shown_and_q_ends_it(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(RECORDER, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), rankcast_environment()["PYTHONPATH"]])
    printed = shows(PYTHONPATH=path)
    assert printed[:5] == ["Rankcast (480, 640, 3)"] * 5
    assert printed[5].startswith("5 frames")


PRESS_Q = """
import os, signal, subprocess, sys, time
example = subprocess.Popen(sys.argv[1:])
until = time.monotonic() + 40
while example.poll() is None and time.monotonic() < until:
    found = subprocess.run(["xdotool", "search", "--onlyvisible", "--name", "Rankcast"],
                           capture_output=True, text=True)
    if window := found.stdout.split():
        subprocess.run(["xdotool", "windowfocus", window[-1], "key", "q"])
    time.sleep(0.2)
example.kill()
sys.exit(example.wait())
"""
"""Runs an example and presses q in its window as soon as there is one."""


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("xvfb-run") and shutil.which("xdotool")),
    reason="xvfb-run and xdotool are not installed: the real window is not tested",
)
def test_a_real_window_shows_what_arrives_until_q_is_pressed() -> None:
    screen = ["xvfb-run", "-a", sys.executable, "-c"]
    probe = [*screen, "import cv2; cv2.namedWindow('x')"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this OpenCV was built without windows")
    (printed,) = shows(launcher=[*screen, PRESS_Q])
    assert " frames, lost " in printed
    assert not printed.startswith("0 frames")


def test_a_folder_is_compressed_to_one_packet_a_picture(tmp_path: Path) -> None:
    paths = pictures(tmp_path / "in", 3)
    out = tmp_path / "out" / "packets"
    printed = finish(start("compress_folder.py", str(tmp_path / "in"), str(out)))
    assert sorted(path.stem for path in out.iterdir()) == [path.stem for path in paths]
    assert all(path.read_bytes()[:4] for path in out.iterdir())
    lines = printed.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("picture") and line.endswith(" dB") for line in lines)


def test_a_replayed_folder_is_saved_sample_by_sample(tmp_path: Path) -> None:
    paths = pictures(tmp_path / "in", 3)
    out = tmp_path / "out"
    finish(start("replay_to_files.py", str(tmp_path / "in"), str(out), free_address()))
    saved = sorted(out.iterdir())
    assert len(saved) == 3
    for before, after in zip(paths, saved, strict=True):
        assert np.array_equal(read_image(before), read_image(after))


def test_a_replay_of_a_folder_that_does_not_exist_ends_with_its_error(tmp_path: Path) -> None:
    process = start("replay_to_files.py", str(tmp_path / "none"), str(tmp_path), free_address())
    with process:
        process.communicate(timeout=WAIT_S)
    assert process.returncode != 0
