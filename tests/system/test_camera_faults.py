"""Cameras that hang, crash, freeze, wait for triggers and change, behind real senders."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from rankcast.net import control_endpoint
from rankcast_receiver import Subscriber
from rankcast_receiver.state import State
from support.fakes import free_address
from support.grabbing import scripted_camera
from support.later import later
from support.processes import WAIT_S, Rankcast, rankcast, read_report, run
from support.starvation import Starvation

HANGS = ("frame", "frame*3 deaf", "open-hang frame")
REOPENED_S = 3.0
MOST_CPU = 0.2


@contextmanager
def sending(folder: Path, script: str, **options: Any) -> Iterator[tuple[Rankcast, str]]:
    """Send what the scripted device plays, and write a report."""
    address = free_address()
    with rankcast(
        "send", "--source", "camera:0?freeze_s=1", "--bind", address, "--codec", "raw", "--verbose",
        "--report", str(folder / "report.json"),
        **scripted_camera(folder / "device", script, **options),
    ) as sender:  # fmt: skip
        yield sender, address


def finish(sender: Rankcast, folder: Path) -> dict[str, Any]:
    sender.signal(signal.SIGTERM)
    assert sender.wait() == 0, sender.lines
    return read_report(folder / "report.json")


def control(address: str, *words: str) -> str:
    done = run("control", control_endpoint(address), *words)
    return done.stdout + done.stderr


def grabbers(sender: Rankcast) -> list[psutil.Process]:
    """Return the grabber processes of a sender."""
    children = psutil.Process(sender.process.pid).children()
    return [child for child in children if any("child.py" in word for word in child.cmdline())]


def shared_memory() -> set[str]:
    """Return our files of shared memory, which should have no name."""
    return {name for name in os.listdir("/dev/shm") if "rankcast" in name}


def cpu_times(process: psutil.Process) -> tuple[float, ...]:
    """Return the seconds of a process and of its children that have ended."""
    times = process.cpu_times()
    return times.user, times.system, times.children_user, times.children_system


def wait_until(happened: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
    ends_s = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < ends_s, "it never happened"
        time.sleep(0.02)  # the system does not tell


def test_a_read_that_never_returns_is_killed_and_the_camera_reopened_within_three_seconds(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    log = tmp_path / "opened"
    with sending(tmp_path, "frame*20 hang|frame", log=str(log), interval_s=0.05) as (sender, _):
        starved = Starvation(sender.process.pid)
        sender.wait_line("a read has not returned")
        hung_s = 1.25  # what the line tells
        noticed_s = time.monotonic()
        wait_until(lambda: len(log.read_text().splitlines()) == 2)
        starved.look()
        took_s = hung_s + time.monotonic() - noticed_s
        assert took_s - starved.seconds() < REOPENED_S
        figure(f"hung to reopened in {took_s:.1f} s")
        sender.wait_line("cam: live")
        report = finish(sender, tmp_path)
    assert report["balanced"]
    assert report["cameras"]["cam"]["failures"] == 1


@pytest.mark.slow
def test_a_camera_that_hangs_again_and_again_costs_little(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    with sending(tmp_path, "frame*5 hang") as (sender, _):
        sender.wait_line("a read has not returned")
        process = psutil.Process(sender.process.pid)
        before, began_s = cpu_times(process), time.monotonic()
        for _ in range(4):
            sender.wait_new_line("a read has not returned", len(sender.lines))
        after, took_s = cpu_times(process), time.monotonic() - began_s
        used_s = sum(after) - sum(before)
        figure(f"{100 * used_s / took_s:.0f} % of a processor")
        assert used_s / took_s < MOST_CPU
        report = finish(sender, tmp_path)
    assert report["balanced"]


@pytest.mark.slow
def test_a_camera_that_waits_for_triggers_is_never_stale_and_gives_a_frame_for_each(
    tmp_path: Path,
) -> None:
    with (
        sending(tmp_path, "frame", trigger="on") as (sender, address),
        rankcast("receive", "--connect", address, "--verbose",
                 "--report", str(tmp_path / "received.json")) as receiver,
    ):  # fmt: skip
        sender.wait_line("1 viewer")
        for number in (1, 2):
            assert control(address, "trigger").strip() == "trigger = on"
            receiver.wait_line(f"received {number}, lost none")
            for process, words in ((sender, "cam: waiting"), (receiver, "waiting for trigger")):
                process.wait_new_line(words, len(process.lines))
        assert control(address, "set", "trigger=off").strip() == "trigger = off"
        receiver.wait_match("received [3-9]")
        report = finish(sender, tmp_path)
        assert receiver.wait() == 0
    assert not [line for line in receiver.lines if "stale" in line or "camera dead" in line]
    assert report["cameras"]["cam"]["failures"] == 0
    assert report["balanced"]


@pytest.mark.slow
def test_a_camera_that_repeats_a_picture_is_frozen_in_the_log_the_status_and_for_viewers(
    tmp_path: Path,
) -> None:
    with (
        sending(tmp_path, "frame*5 same", interval_s=0.05) as (sender, address),
        Subscriber(address, timeout_s=WAIT_S) as subscriber,
    ):
        frames = iter(subscriber)
        sender.wait_line("cam: frozen")
        assert "state = frozen" in control(address, "status")
        next(frames)
        while subscriber.states[0].state is not State.FROZEN:
            next(frames)
        assert str(subscriber.states[0]) == "frozen: cam repeats one picture"
        finish(sender, tmp_path)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("crash", "ended by SIGSEGV: a driver crashed it"),
        pytest.param("exit", "the grabber process ended with code 7", marks=pytest.mark.slow),
        later("gone", "scripted camera is gone: check its cable"),
        pytest.param("odd", "its pixel format is not what it states", marks=pytest.mark.slow),
        pytest.param("forged", "sent 'slot' = -1", marks=pytest.mark.slow),
    ],
)
def test_a_camera_that_fails_is_opened_again_and_its_numbers_go_on(
    tmp_path: Path, step: str, message: str
) -> None:
    script = f"frame*10 {step}|frame"
    with (
        sending(tmp_path, script, log=str(tmp_path / "log"), interval_s=0.1) as (sender, address),
        Subscriber(address, timeout_s=WAIT_S) as subscriber,
    ):
        numbers = []
        for frame in subscriber:
            numbers.append(frame.frame)
            if frame.frame > 12:
                break
        assert message in sender.wait_line("next try in")
        report = finish(sender, tmp_path)
    assert numbers == sorted(set(numbers))
    assert report["balanced"]
    assert report["cameras"]["cam"]["failures"] == 1


@pytest.mark.slow
def test_what_was_set_at_run_time_is_set_again_when_a_camera_is_opened_again(
    tmp_path: Path,
) -> None:
    with sending(tmp_path, "frame", interval_s=0.05) as (sender, address):
        sender.wait_line("cam: live")
        assert control(address, "set", "gain=2.5", "width=32").splitlines() == [
            "gain = 2.5", "width = 32"
        ]  # fmt: skip
        for _ in range(2):
            seen = len(sender.lines)
            (child,) = grabbers(sender)
            child.kill()
            sender.wait_new_line("next try in", seen)
            wait_until(lambda: len(grabbers(sender)) == 1)
            wait_until(lambda: "gain = 2.5" in control(address, "get", "gain"))
            assert "width = 32" in control(address, "get", "width")
        report = finish(sender, tmp_path)
    assert report["cameras"]["cam"]["failures"] == 2
    assert not [line for line in sender.lines if "settings were lost" in line]


@pytest.mark.slow
def test_an_impossible_setting_ends_the_sender_with_exit_2(tmp_path: Path) -> None:
    with sending(tmp_path, "open-impossible") as (sender, _):
        assert sender.wait() == 2
        assert sender.lines[-1].endswith("got width 99999, the sensor has 8 columns")


@pytest.mark.slow
def test_a_region_set_in_mid_stream_is_a_key_frame_and_no_fault(tmp_path: Path) -> None:
    with (
        sending(tmp_path, "frame", interval_s=0.05) as (sender, address),
        Subscriber(address, live=False, timeout_s=WAIT_S) as subscriber,
    ):
        frames = iter(subscriber)
        assert next(frames).pixels.shape == (6, 8)
        said = control(address, "set", "width=32", "height=24", "offset_x=4", "gain=2.5")
        assert said.splitlines() == ["width = 32", "height = 24", "offset_x = 4", "gain = 2.5"]
        while (frame := next(frames)).pixels.shape == (6, 8):
            pass
        assert frame.pixels.shape == (24, 32)
        assert "got gain 99, want 0 to 16" in control(address, "set", "gain=99")
        assert "gain = 2.5" in control(address, "get", "gain")
        assert not subscriber.balance().lost
        report = finish(sender, tmp_path)
    assert report["cameras"]["cam"]["failures"] == 0
    assert report["balanced"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    ["frame*3 hang", *(pytest.param(script, marks=pytest.mark.slow) for script in HANGS)],
)
def test_no_grabber_process_outlives_a_sender_that_is_killed(tmp_path: Path, script: str) -> None:
    before = shared_memory()
    with sending(tmp_path, script) as (sender, _):
        wait_until(lambda: bool(grabbers(sender)))
        if not script.startswith("open"):
            sender.wait_match("lost [1-9]")
        (child,) = grabbers(sender)
        sender.signal(signal.SIGKILL)
        sender.wait()
        wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 3)
    assert shared_memory() == before


@pytest.mark.parametrize(
    "script",
    ["frame*3 hang", *(pytest.param(script, marks=pytest.mark.slow) for script in HANGS)],
)
def test_a_signal_ends_a_sender_within_two_seconds_whatever_its_camera_does(
    tmp_path: Path, script: str
) -> None:
    with sending(tmp_path, script) as (sender, _):
        wait_until(lambda: bool(grabbers(sender)))
        if not script.startswith("open"):
            sender.wait_match("lost [1-9]")
        assert sender.stop(signal.SIGTERM) == 0
    assert read_report(tmp_path / "report.json")["stuck"] == []


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="another /dev/shm needs root")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare on this machine")
def test_too_little_shared_memory_is_one_line_with_the_size_wanted(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=64k none /dev/shm && exec "$@"'
    with rankcast(
        "send", "--source", "camera:0", "--bind", free_address(),
        launcher=["unshare", "-m", "sh", "-c", mount, "sh"],
        **scripted_camera(tmp_path / "device", "frame*2 huge"),
    ) as sender:  # fmt: skip
        assert sender.wait() == 2
        assert "got 0.1 MB of shared memory in /dev/shm, want 24.9 MB" in sender.lines[-1]
        assert "--shm-size=128m" in sender.lines[-1]


@pytest.mark.slow
def test_credentials_are_in_no_process_list_and_what_a_driver_prints_is_logged(
    tmp_path: Path,
) -> None:
    with sending(tmp_path, "print frame") as (sender, _):
        sender.wait_line("driver: driver: cannot reach rtsp://***@cam.local/stream")
        sender.wait_match("lost [1-9]")
        (child,) = grabbers(sender)
        assert not any("s3cret" in word or "script" in word for word in child.cmdline()[3:])
        finish(sender, tmp_path)
    assert not any("s3cret" in line for line in sender.lines)
