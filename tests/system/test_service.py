"""Row 3 of the fault matrix: what a service manager sees of both ends, and of a hanging thread."""

from __future__ import annotations

import re
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rankcast.net import Role
from support.fakes import free_address
from support.keyed_station import KeyedStation
from support.later import later
from support.notify import NotifySocket
from support.processes import rankcast
from support.sabotage import sabotaged

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")

Figure = Callable[[str], None]
SMALL = "synthetic:conveyor?width=160&height=120&fps=30"
WATCHDOG_S = 6.0
"""As in the units of config/systemd."""
SHORT_S = 4.0
"""The shortest that is taken."""
HANG = """
import threading

def hang_in_the_middle(*arguments, **options):
    hang_in_the_middle.calls += 1
    if hang_in_the_middle.calls >= {calls}:
        threading.Event().wait()
    return original(*arguments, **options)

hang_in_the_middle.calls = 0
return hang_in_the_middle
"""


@pytest.fixture
def notify() -> Iterator[NotifySocket]:
    # The folder of pytest may be too long for the name of a socket.
    with tempfile.TemporaryDirectory() as folder, NotifySocket(Path(folder)) as made:
        yield made


def service(notify: NotifySocket, watchdog_s: float = SHORT_S) -> dict[str, str]:
    """Variables that systemd sets for Type=notify with WatchdogSec."""
    return {"NOTIFY_SOCKET": notify.address, "WATCHDOG_USEC": f"{watchdog_s * 1e6:.0f}"}


def test_a_sender_tells_that_it_is_ready_well_and_stopping(notify: NotifySocket) -> None:
    address = free_address()
    with rankcast("send", "--source", SMALL, "--bind", address, **service(notify)) as sender:
        ready = notify.wait("READY=1")
        fed = [notify.wait("WATCHDOG=1") for _ in range(4)]
        assert fed[-1] - ready < 4 * SHORT_S / 2
        notify.wait("STATUS=cam live")
        sender.signal(signal.SIGTERM)
        notify.wait("STOPPING=1")
        assert sender.wait() == 0
    assert notify.messages[0].startswith("EXTEND_TIMEOUT_USEC=")
    assert "THREADS" not in "".join(sender.lines)


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_row_3_a_grab_thread_that_hangs_is_ended_within_10_seconds_with_its_stack(
    notify: NotifySocket, tmp_path: Path, figure: Figure
) -> None:
    render = "rankcast_sender.sources.synthetic:ConveyorSource.render"
    hanging = sabotaged(tmp_path / "hang", render, HANG.format(calls=40))
    with rankcast("send", "--source", SMALL, "--bind", free_address(),
                  **hanging, **service(notify, WATCHDOG_S)) as sender:  # fmt: skip
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
    assert "thread grab of cam has stalled for " in said
    assert "hang_in_the_middle" in said
    assert "STOPPING=1" not in notify.messages


@pytest.mark.parametrize(
    ("end", "thread", "target", "calls"),
    [
        ("send", "encode of cam", "rankcast_sender.publisher:Publisher.encode", 20),
        pytest.param(
            "send",
            "publish",
            "rankcast_sender.sockets.outbox:Outbox._forward",
            20,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "send",
            "control",
            "rankcast_sender.control.request_handler:RequestHandler.answer",
            3,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "send",
            "authenticator",
            "rankcast_sender.sockets.key_policy:KeyPolicy.reload",
            2,
            marks=pytest.mark.slow,
        ),
        later("receive", "receive", "rankcast_receiver.net.connection:Connection.tick", 20),
        later(
            "receive",
            "decode",
            "rankcast_receiver.stream.stream_decoder:StreamDecoder.decode",
            20,
        ),
        pytest.param(
            "receive",
            "sink count",
            "rankcast_receiver.sinks.count:CountSink.put",
            20,
            marks=pytest.mark.slow,
        ),
        # Before its first turn.
        pytest.param(
            "receive",
            "decode",
            "rankcast_receiver.subscriber:Subscriber.__init__",
            1,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "receive",
            "sink save",
            "rankcast_receiver.sinks.save:SaveSink.__init__",
            1,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_thread_that_hangs_is_named_and_the_watchdog_is_fed_no_more(
    notify: NotifySocket, tmp_path: Path, end: str, thread: str, target: str, calls: int
) -> None:
    hanging = sabotaged(tmp_path / "hang", target, HANG.format(calls=calls)) | service(notify)
    station, address = KeyedStation(tmp_path), free_address()
    station.make("viewer1", Role.VIEWER)
    send = ["--source", SMALL, "--bind", address, "--key", str(tmp_path / "cam.key"),
            "--authorized", str(station.authorized)]  # fmt: skip
    receive = ["--connect", address, *station.options("viewer1")]
    if thread == "sink save":
        receive += ["--save", str(tmp_path / "saved")]
    with (
        rankcast("send", *send, **(hanging if end == "send" else {})) as sender,
        rankcast("receive", *receive, **(hanging if end == "receive" else {})) as receiver,
    ):
        hung = sender if end == "send" else receiver
        line = hung.wait_line("watchdog not notified", 40.0)
        names = re.findall(r"thread ([^,]*) has stalled for [0-9.]+ s", line)
        assert names == [thread], line
        while notify.read(0.0) is not None:
            continue  # of the time before
        ends = time.monotonic() + SHORT_S / 2
        while (left := ends - time.monotonic()) > 0:
            assert notify.read(left) != "WATCHDOG=1"
