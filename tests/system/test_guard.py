"""The guard process says what ended its process without a word, and ends with it."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from support.fakes import free_address
from support.hangs import SOURCE
from support.processes import children, rankcast

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
slow = pytest.mark.slow


@pytest.mark.slow
def test_the_guard_ends_with_its_process_and_its_death_ends_nothing() -> None:
    with rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", free_address(),
                  "--verbose") as sender:  # fmt: skip
        sender.wait_line("live")
        [guard] = children(sender.process.pid)
        assert Path(f"/proc/{guard}/comm").read_text() == "rankcast-guard\n"
        os.kill(guard, signal.SIGTERM)  # as a service manager does, to all processes
        os.kill(guard, signal.SIGKILL)
        sender.wait_lines("live", 1)
        assert sender.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("command", "number"),
    [
        ("receive", signal.SIGABRT),
        pytest.param("send", signal.SIGKILL, marks=slow),
        pytest.param("receive", signal.SIGKILL, marks=slow),
        pytest.param("send", signal.SIGABRT, marks=slow),
    ],
)
def test_the_guard_says_that_a_process_ended_without_a_word(
    command: str, number: signal.Signals
) -> None:
    """SIGABRT is how a failed assertion of libzmq ends a process."""
    address = free_address()
    with (
        rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", address) as sender,
        rankcast("receive", "--connect", address, "--verbose") as receiver,
    ):
        receiver.wait_frames()
        process = receiver if command == "receive" else sender
        assert process.stop(number) == -number
        said = process.wait_line("ended without a report")
        process.close()
        assert said.startswith(f"rankcast {command}: ended without a report: a library may have")
        state = r"last state: received [1-9]" if command == "receive" else "last state: cam live"
        assert re.search(state, said), said
        assert "service manager" not in said
        other = sender if process is receiver else receiver
        assert other.stop(signal.SIGTERM) == 0
        other.close()
        assert not any("ended without a report" in line for line in other.lines)


@slow
def test_the_guard_of_a_killed_process_ends() -> None:
    with rankcast("receive", "--connect", free_address()) as receiver:
        receiver.wait_line("dead")
        [guard] = children(receiver.process.pid)
        receiver.signal(signal.SIGKILL)
        receiver.wait()
        ends = time.monotonic() + 5
        while Path(f"/proc/{guard}/comm").exists() and time.monotonic() < ends:
            time.sleep(0.01)  # the end of a process that is not ours cannot be waited for
        assert not is_running(guard)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
