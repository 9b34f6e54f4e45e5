"""A second signal ends a process that hangs at once; the other signals are like the first."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from rankcast.runtime.signals import SAME_S
from support.fakes import free_address
from support.hangs import (
    CONVEYOR,
    FRAMES_THEN_HOLDS_THE_LOCK,
    FRAMES_THEN_WAITS,
    HANGS,
    SOURCE,
    WAITS,
)
from support.processes import rankcast, read_report
from support.sabotage import sabotaged

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
slow = pytest.mark.slow
AT_ONCE_S = 0.7


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=slow),
        pytest.param(signal.SIGHUP, marks=slow),
    ],
)
def test_a_second_signal_ends_a_process_that_hangs_at_once(
    tmp_path: Path, number: signal.Signals
) -> None:
    env = sabotaged(tmp_path / "code", f"{CONVEYOR}.__iter__", FRAMES_THEN_WAITS)
    with rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", free_address(),
                  **env) as sender:  # fmt: skip
        sender.wait_line(HANGS)
        sender.signal(signal.SIGTERM)
        wait_for_second(time.monotonic())
        assert sender.stop(number, AT_ONCE_S) == 128 + number


def test_a_second_signal_ends_a_process_whose_main_thread_hangs_at_once(tmp_path: Path) -> None:
    env = sabotaged(tmp_path / "code", "rankcast_sender.app:supervise", WAITS)
    with rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", free_address(),
                  **env) as sender:  # fmt: skip
        sender.wait_line(HANGS)
        sender.signal(signal.SIGTERM)
        wait_for_second(time.monotonic())
        assert sender.stop(signal.SIGTERM, AT_ONCE_S) == 128 + signal.SIGTERM


@slow
def test_a_second_signal_ends_a_process_without_the_lock_at_once(tmp_path: Path) -> None:
    env = sabotaged(tmp_path / "code", f"{CONVEYOR}.__iter__", FRAMES_THEN_HOLDS_THE_LOCK)
    with rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", free_address(),
                  **env) as sender:  # fmt: skip
        sender.wait_line(HANGS)
        sender.signal(signal.SIGTERM)
        wait_for_second(time.monotonic())
        # No code of the process can choose its exit code any more.
        assert sender.stop(signal.SIGTERM, AT_ONCE_S) == 1
        sender.close()
        assert "reading source of cam" in sender.lines[-1]


def wait_for_second(first_s: float) -> None:
    """Wait until a signal is no longer taken for a repetition of the first one."""
    time.sleep(max(0.0, first_s + 2 * SAME_S - time.monotonic()))  # no event tells


@pytest.mark.slow
def test_two_signals_at_once_are_one_request(tmp_path: Path) -> None:
    report = tmp_path / "sent.json"
    with rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", free_address(),
                  "--report", str(report)) as sender:  # fmt: skip
        sender.wait_line("live")
        sender.signal(signal.SIGTERM)
        sender.signal(signal.SIGINT)
        assert sender.stop(signal.SIGTERM) == 0
    assert read_report(report)["balanced"] is True


@pytest.mark.slow
def test_a_hangup_ends_both_ends_like_a_termination(tmp_path: Path) -> None:
    address = free_address()
    sent, received = tmp_path / "sent.json", tmp_path / "received.json"
    with (
        rankcast("send", "--source", SOURCE, "--bind", address, "--report", str(sent)) as sender,
        rankcast("receive", "--connect", address, "--verbose", "--report", str(received)) as viewer,
    ):
        viewer.wait_frames()
        assert viewer.stop(signal.SIGHUP) == 0
        assert sender.stop(signal.SIGHUP) == 0
    for report in (sent, received):
        assert read_report(report)["balanced"] is True
        assert read_report(report)["stuck"] == []


@slow
def test_nohup_survives_the_end_of_its_terminal() -> None:
    with rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", free_address(),
                  "--verbose", launcher=("nohup",)) as sender:  # fmt: skip
        sender.wait_line("live")
        sender.signal(signal.SIGHUP)
        sender.wait_lines("live", 2)
        assert sender.stop(signal.SIGTERM) == 0
