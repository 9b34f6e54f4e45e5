"""`control` and `demo` end in time after a signal, whatever hangs."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.fakes import free_address
from support.hangs import CONVEYOR, FRAMES_THEN_WAITS, HANGS, STUCK_S, SWALLOWS
from support.processes import children, rankcast
from support.sabotage import sabotaged

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
slow = pytest.mark.slow


@pytest.mark.slow
def test_a_control_request_that_hangs_ends_after_an_interrupt(tmp_path: Path) -> None:
    env = sabotaged(tmp_path / "code", "rankcast.net.control_client:ControlClient.close", SWALLOWS)
    address = free_address().removeprefix("tcp://")
    with rankcast("control", address, "status", "--timeout", "0.2", **env) as control:
        control.wait_line(HANGS)
        assert control.stop(signal.SIGINT, STUCK_S) == 1
        control.close()
        assert "stuck after SIGINT: the main thread" in control.lines[-1]


@slow
def test_an_interrupted_control_request_is_one_line() -> None:
    address = free_address().removeprefix("tcp://")
    with rankcast("control", address, "status", "--timeout", "60") as control:
        wait_for(lambda: b"zmq" in Path(f"/proc/{control.process.pid}/maps").read_bytes())
        wait_for(lambda: "ZMQbg" in thread_names(control.process.pid))
        assert control.stop(signal.SIGINT) == 1
        control.close()
        assert control.lines[-1] == "rankcast: interrupted"


def thread_names(pid: int) -> str:
    return " ".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/comm"))


@slow
def test_a_demo_whose_sender_hangs_names_it(tmp_path: Path) -> None:
    env = sabotaged(tmp_path / "code", f"{CONVEYOR}.__iter__", FRAMES_THEN_WAITS)
    with rankcast("demo", "--out", str(tmp_path / "out"), **env) as demo:
        demo.process.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
        wait_for(lambda: any("rankcast_sender" in words for words in commands(demo.process.pid)))
        wait_for(lambda: stalled(demo.process.pid))
        assert demo.stop(signal.SIGTERM, STUCK_S) == 1
        demo.close()
        assert "reading source of cam" in demo.lines[-1], demo.lines


def commands(pid: int) -> list[str]:
    found = []
    for child in children(pid):
        try:
            found.append(Path(f"/proc/{child}/cmdline").read_text())
        except OSError:
            continue
    return found


def stalled(pid: int) -> bool:
    """Return True once the sender of a demo has a thread in a read of a pipe."""
    for child in children(pid):
        try:
            if "rankcast_sender" not in Path(f"/proc/{child}/cmdline").read_text():
                continue
            tasks = list(Path(f"/proc/{child}/task").iterdir())
            if any("pipe_read" in (task / "wchan").read_text() for task in tasks):
                return True
        except OSError:
            continue
    return False


def wait_for(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)  # the interval of polling
