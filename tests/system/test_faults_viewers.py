"""Faults of viewers, which cost the sender and the other viewers nothing.

The numbers in the names are rows of the fault matrix. In every row the ledgers of both ends
balance, and the number burnt into the pixels of each decoded frame is that of its header.
"""

from __future__ import annotations

import signal
import socket
import statistics
import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rankcast.frame import Frame
from rankcast.runtime import NETWORK_GAP, SKIPPED_AS_OLD
from support.processes import rankcast
from support.viewers import (
    SETTLE_MB,
    WAIT_S,
    Viewer,
    check_all_arrived_or_counted,
    check_received,
    check_saved,
    finish,
    port_of,
    sending,
)

pytestmark = pytest.mark.slow

Figure = Callable[[str], None]
ROUND_FRAMES = 20
LEAST_PAIRS, MOST_PAIRS = 3, 12
TICK_MS = 1.0
"""A median of twenty frames on a quiet machine is as sharp as that."""


@pytest.mark.slow
def test_row_4_a_killed_viewer_costs_the_sender_and_the_others_nothing(
    tmp_path: Path, figure: Figure
) -> None:
    with (
        sending(tmp_path, "--wait-viewers", "1") as sender,
        Viewer(sender.address, live=False) as viewer,
    ):
        viewer.wait_more(30)
        descriptors, memory = sender.descriptors(), sender.memory_mb()
        with rankcast("receive", "--connect", sender.address) as other:
            other.wait_line("fps")
            assert sender.descriptors() > descriptors
            other.signal(signal.SIGKILL)
            assert other.wait() == -signal.SIGKILL
        for _ in range(60):  # frames are the clock
            if sender.descriptors() <= descriptors:
                break
            viewer.wait_more(1)
        figure(f"memory {memory:.1f} MB, then {sender.memory_mb():.1f} MB")
        assert sender.descriptors() <= descriptors
        assert sender.memory_mb() - memory < SETTLE_MB
        finish(sender, viewer)
        assert viewer.subscriber.balance().lost == {}


@pytest.mark.parametrize(
    "stop_s", [2.0, *(pytest.param(s, marks=pytest.mark.slow) for s in (1.5, 2.5, 60.0))]
)
@pytest.mark.timeout(180)
def test_row_5_a_viewer_that_stood_still_soon_sees_fresh_frames_again(
    tmp_path: Path, figure: Figure, stop_s: float
) -> None:
    folder, report = tmp_path / "saved", tmp_path / "received.json"
    with (
        sending(tmp_path, "--wait-viewers", "2", "--codec", "raw") as sender,
        rankcast("receive", "--connect", sender.address, "--save", str(folder), "--set",
                 "stream.mode=live", "--report", str(report)) as stopped,
        Viewer(sender.address, live=False) as viewer,
    ):  # fmt: skip
        stopped.wait_line("fps")
        viewer.wait_more(15)
        memory = sender.memory_mb()
        stopped_utc = time.time()
        stopped.signal(signal.SIGSTOP)
        most = memory
        until = time.monotonic() + stop_s
        while time.monotonic() < until:
            viewer.wait_more(5)
            most = max(most, sender.memory_mb())
        stopped.signal(signal.SIGCONT)
        going_utc = time.time()
        viewer.wait_more(60)
        sender.stop()
        assert stopped.wait() == 0, stopped.lines
        check_all_arrived_or_counted(viewer.finish(), sender.report())
        figure(f"sender grew by {most - memory:.1f} MB while a viewer stood for {stop_s:g} s")
        assert viewer.subscriber.balance().lost == {}
        assert most - memory < SETTLE_MB
    received = check_received(report)
    assert received["lost"].get(NETWORK_GAP, 0) > 0, received
    assert len(check_saved(folder)) == received["saved"]
    later = [path for path in folder.iterdir() if path.stat().st_mtime > going_utc]
    # One may have been in the hand of the sink when it was stopped, and one before it.
    in_hand = [path for path in later if captured_s(path) < stopped_utc]
    ages = [path.stat().st_mtime - captured_s(path) for path in set(later) - set(in_hand)]
    figure(f"oldest frame after SIGCONT: {max(ages) * 1e3:.0f} ms, {len(in_hand)} from before")
    assert max(ages) < 1.0
    assert len(in_hand) <= 2


def captured_s(path: Path) -> float:
    """Capture time of a saved frame, from its name."""
    stamp = path.stem.split("_")[-1].rstrip("Z")
    return datetime.strptime(stamp, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC).timestamp()


class Dozer:
    """A callback that is quick, or takes a second for each frame."""

    def __init__(self) -> None:
        self.dozing = threading.Event()
        self._slow = False
        self._release = threading.Event()

    def __call__(self, _: Frame) -> None:
        if self._slow:
            self.dozing.set()
            self._release.wait(1.0)  # the slowness that is tested

    def begin(self) -> None:
        """Be slow from the next frame on."""
        self.dozing.clear()
        self._release.clear()
        self._slow = True

    def end(self) -> None:
        """Be quick at once."""
        self._slow = False
        self._release.set()


def age_ms_of(viewers: list[Viewer], frames: int) -> float:
    """Median over the next frames of some viewers."""
    marks = [len(viewer.seen) for viewer in viewers]
    for viewer, mark in zip(viewers, marks, strict=True):
        viewer.wait_for(lambda seen, mark=mark: len(seen) >= mark + frames)
    return statistics.median(
        seen.age_ms
        for viewer, mark in zip(viewers, marks, strict=True)
        for seen in viewer.seen[mark : mark + frames]
    )


@pytest.mark.slow
@pytest.mark.parametrize("others", [3, pytest.param(7, marks=pytest.mark.slow)])
def test_row_6_a_viewer_at_1_fps_costs_the_others_no_frame_and_no_time(
    tmp_path: Path, figure: Figure, others: int
) -> None:
    """Rounds with it slow and with it quick alternate, so that a busy minute is in both.

    They are judged from the third pair on and after each further one: chance does not last, and
    what a slow viewer costs the others does.
    """
    doze = Dozer()
    quick_ms, slow_ms = [], []
    with ExitStack() as stack:
        sender = stack.enter_context(sending(tmp_path, "--wait-viewers", str(others + 1)))
        fast = [stack.enter_context(Viewer(sender.address, live=False)) for _ in range(others)]
        slow = stack.enter_context(Viewer(sender.address, doze))
        stack.callback(doze.end)
        for viewer in (*fast, slow):
            viewer.wait_more(10)
        while True:
            quick_ms.append(age_ms_of(fast, ROUND_FRAMES))
            doze.begin()
            assert doze.dozing.wait(WAIT_S)
            slow_ms.append(age_ms_of(fast, ROUND_FRAMES))
            doze.end()
            slow.wait_more(3)
            # Neighbours are compared: a machine that gets busier takes nothing from either kind.
            more_ms = statistics.median(b - a for a, b in zip(quick_ms, slow_ms, strict=True))
            within = more_ms <= 0.1 * statistics.median(quick_ms) + TICK_MS
            if len(quick_ms) >= MOST_PAIRS or (within and len(quick_ms) >= LEAST_PAIRS):
                break
        figure(
            f"age p50 of the others {statistics.median(quick_ms):.1f} ms, with a slow one "
            f"{more_ms:+.1f} ms, in {len(quick_ms)} pairs"
        )
        assert within, (quick_ms, slow_ms)
        finish(sender, *fast)
        balance = slow.finish()
        for viewer in fast:
            assert viewer.subscriber.balance().lost == {}
        assert balance.lost.get(SKIPPED_AS_OLD, 0) + balance.lost.get(NETWORK_GAP, 0) > 0


def subscribe_raw(address: str) -> socket.socket:
    """Speak ZMTP 3.0 up to a subscription to everything, and never read again."""
    peer = socket.create_connection(port_of(address), timeout=10)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    greeting = b"\xff" + bytes(8) + b"\x7f" + bytes((3, 0)) + b"NULL".ljust(20, b"\0")
    peer.sendall(greeting.ljust(64, b"\0"))
    kind = b"\x0bSocket-Type" + struct.pack(">I", 3) + b"SUB"
    ready = b"\x05READY" + kind
    peer.sendall(bytes((4, len(ready))) + ready)
    # libzmq hangs up on whoever subscribes before it has said that it is ready.
    received(peer, 64)
    _, size = received(peer, 2)
    assert received(peer, size).startswith(b"\x05READY")
    peer.sendall(b"\0\x01\x01")  # one frame: subscribe to the empty prefix
    return peer


def received(peer: socket.socket, count: int) -> bytes:
    """The next bytes, all of them."""
    data = b""
    while len(data) < count:
        more = peer.recv(count - len(data))
        assert more, f"hung up after {data!r}"
        data += more
    return data


def test_row_7_a_peer_that_never_reads_costs_nothing_and_delays_no_end(
    tmp_path: Path, figure: Figure
) -> None:
    source = "synthetic:conveyor?width=640&height=480&fps=30"
    with (
        sending(tmp_path, "--wait-viewers", "1", "--codec", "raw", source=source) as sender,
        Viewer(sender.address, live=False) as viewer,
    ):
        viewer.wait_more(15)
        memory = sender.memory_mb()
        with closing(subscribe_raw(sender.address)):
            viewer.wait_more(60)
            growth = sender.memory_mb() - memory
            started = time.monotonic()
            assert sender.process.stop(signal.SIGTERM, 1.0) == 0, sender.process.lines
            stop_s = time.monotonic() - started
        check_all_arrived_or_counted(viewer.finish(), sender.report())
        figure(f"sender grew by {growth:.1f} MB, stopped within {stop_s:.2f} s")
        # Ten raw frames of 0.92 MB may wait in queue and buffers, beyond what the allocator keeps.
        assert growth < SETTLE_MB + 10
        assert viewer.subscriber.balance().lost == {}
