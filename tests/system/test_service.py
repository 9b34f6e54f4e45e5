"""Row 3 of the fault matrix: what a service manager sees of both ends, and of a hanging thread."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes import free_address
from notify import NotifySocket
from processes import rankcast, rankcast_environment

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")

Figure = Callable[[str], None]
SMALL = "synthetic:conveyor?width=160&height=120&fps=30"
WATCHDOG_S = 5.0
HANG = """
import threading
from rankcast_sender.sources.synthetic import ConveyorSource

render = ConveyorSource.render

def hang_in_the_driver(self, number):
    if number == 40:
        threading.Event().wait()
    return render(self, number)

ConveyorSource.render = hang_in_the_driver
"""


@pytest.fixture
def notify() -> Iterator[NotifySocket]:
    # The folder of pytest may be too long for the name of a socket.
    with tempfile.TemporaryDirectory() as folder, NotifySocket(Path(folder)) as made:
        yield made


def service(notify: NotifySocket) -> dict[str, str]:
    """Variables that systemd sets for Type=notify with WatchdogSec."""
    return {"NOTIFY_SOCKET": notify.address, "WATCHDOG_USEC": f"{WATCHDOG_S * 1e6:.0f}"}


def test_a_sender_tells_that_it_is_ready_well_and_stopping(notify: NotifySocket) -> None:
    address = free_address()
    with rankcast("send", "--source", SMALL, "--bind", address, **service(notify)) as sender:
        ready = notify.wait("READY=1")
        fed = [notify.wait("WATCHDOG=1") for _ in range(4)]
        assert fed[-1] - ready < 4 * WATCHDOG_S / 2
        notify.wait("STATUS=cam live")
        sender.signal(signal.SIGTERM)
        notify.wait("STOPPING=1")
        assert sender.wait() == 0
    assert notify.messages[0].startswith("EXTEND_TIMEOUT_USEC=")
    assert "THREADS" not in "".join(sender.lines)


def test_a_sender_whose_camera_waits_for_a_trigger_is_well(notify: NotifySocket) -> None:
    address = free_address()
    source = SMALL + "&trigger=on"
    with rankcast("send", "--source", source, "--bind", address, **service(notify)) as sender:
        notify.wait("STATUS=cam waiting")
        for _ in range(5):
            notify.wait("WATCHDOG=1")
        sender.signal(signal.SIGTERM)
        assert sender.wait() == 0
    assert "THREADS" not in "".join(sender.lines)


def test_a_receiver_that_waits_for_its_sender_is_well(notify: NotifySocket) -> None:
    address = free_address()
    with rankcast("receive", "--connect", address, **service(notify)) as receiver:
        notify.wait("READY=1")
        for _ in range(4):
            notify.wait("WATCHDOG=1")
        receiver.signal(signal.SIGTERM)
        notify.wait("STOPPING=1")
        assert receiver.wait() == 0
    assert "THREADS" not in "".join(receiver.lines)


def test_row_3_a_grab_thread_that_hangs_is_ended_within_10_seconds_with_its_stack(
    notify: NotifySocket, tmp_path: Path, figure: Figure
) -> None:
    (tmp_path / "sitecustomize.py").write_text(HANG)
    path = os.pathsep.join((str(tmp_path), rankcast_environment()["PYTHONPATH"]))
    with rankcast("send", "--source", SMALL, "--bind", free_address(),
                  PYTHONPATH=path, **service(notify)) as sender:  # fmt: skip
        fed = notify.wait("READY=1")
        sender.wait_line("cam: stalled")
        hung = time.monotonic() - 2.0  # `stalled` is said after 2 s without a frame
        # What systemd does: SIGABRT when nothing came for the interval.
        while (left := fed + WATCHDOG_S - time.monotonic()) > 0:
            if notify.read(left) == "WATCHDOG=1":
                fed = notify.told[-1][0]
        sender.signal(signal.SIGABRT)
        assert sender.wait() == -signal.SIGABRT
        took_s = time.monotonic() - hung
    said = "\n".join(sender.lines)
    figure(f"ended {took_s:.1f} s after the grab thread hung, with WatchdogSec={WATCHDOG_S:g}")
    assert took_s <= 10.0
    assert "THREADS DO NOT MOVE (grab of cam for " in said
    assert "hang_in_the_driver" in said
    assert "STOPPING=1" not in notify.messages
