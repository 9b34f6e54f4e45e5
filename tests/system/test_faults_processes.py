"""Faults of the processes at either end: killed, stopped, starved, flooded, never reading.

The numbers in the names are rows of the fault matrix. In every row the ledgers of both ends
balance, and the number burnt into the pixels of each decoded frame is that of its header.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fakes import free_address
from processes import rankcast
from rankcast.frame import Frame
from rankcast.ledger import MAILBOX, NETWORK_GAP, SKIPPED_AS_OLD
from rankcast_receiver.state import State
from viewers import (
    Sender,
    Viewer,
    check_all_arrived_or_counted,
    check_received,
    check_saved,
    percentile,
    sending,
)

Figure = Callable[[str], None]
SETTLE_MB = 12.0
"""Growth of memory that the allocator may keep; a queue that grew holds more."""
STALE_S = 1.5
STOP_S = 4.0
"""Commands stop within 2 s; the other two are for a machine that is busy with something else."""
BUSY_MS = 20.0
"""What a machine with other work may add to a median."""


def joined(address: str, **options: object) -> Viewer:
    viewer = Viewer(address, **options)
    viewer.wait_more(1)
    return viewer


def finish(sender: Sender, *viewers: Viewer) -> None:
    """Stop the sender and compare what both ends counted."""
    sender.stop()
    report = sender.report()
    for viewer in viewers:
        check_all_arrived_or_counted(viewer.finish(), report)


def port_of(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    return host, int(port)


def test_row_1_a_killed_sender_that_comes_back_is_live_within_3_seconds(
    tmp_path: Path, figure: Figure
) -> None:
    address = free_address()
    with ExitStack() as stack:
        with sending(tmp_path, "--wait-viewers", "1", address=address) as first:
            viewer = stack.enter_context(Viewer(address, stay=True))
            viewer.wait_more(20)
            killed = time.monotonic()
            first.process.signal(signal.SIGKILL)
            assert first.process.wait() == -signal.SIGKILL
        stale_s = viewer.not_live_after_s()
        viewer.wait_state(State.SENDER_DEAD, killed)
        old = viewer.seen[-1].stream_id
        with sending(tmp_path, address=address) as second:
            second.wait_listening()
            listening = time.monotonic()
            viewer.wait_for(lambda seen: seen[-1].stream_id != old)
            live_s = viewer.seen[-1].at - listening
            figure(
                f"stale {stale_s:.2f} s after the last frame, "
                f"live {live_s:.2f} s after the restarted sender listens"
            )
            assert stale_s <= STALE_S
            assert live_s <= 3.0
            viewer.wait_state(State.LIVE, listening)
            viewer.wait_more(10)
            second.stop()
            report = second.report()
        viewer.wait_for(lambda _: all(s.ended for s in viewer.subscriber.streams.values()))
        balance = viewer.stop()
    new = [seen for seen in viewer.seen if seen.stream_id != old]
    assert new[-1].sequence < report["published"]
    assert len({seen.stream_id for seen in viewer.seen}) == 2
    assert balance.passed == len(viewer.seen)


@pytest.mark.parametrize("stop_s", [3.2, pytest.param(10.0, marks=pytest.mark.slow)])
def test_row_2_a_sender_that_stood_still_goes_on_with_fresh_frames(
    tmp_path: Path, figure: Figure, stop_s: float
) -> None:
    with (
        sending(tmp_path, "--wait-viewers", "1") as sender,
        joined(sender.address) as viewer,
    ):
        viewer.wait_more(15)
        busy_s = time.process_time()
        sender.process.signal(signal.SIGSTOP)
        viewer.wait_silence(stop_s)
        busy_s = time.process_time() - busy_s
        stale_s = viewer.not_live_after_s()
        sender.process.signal(signal.SIGCONT)
        going = time.monotonic()
        viewer.wait_for(lambda seen: seen[-1].at > going and seen[-1].age_ms < 1000)
        resumed_s = viewer.seen[-1].at - going
        old = [seen for seen in viewer.seen if seen.at > going and seen.age_ms > 1000]
        figure(
            f"stale {stale_s:.2f} s after the last frame, "
            f"fresh {resumed_s:.2f} s after SIGCONT, {len(old)} old frames before; "
            f"the viewer used {busy_s:.2f} s of processor time while it waited {stop_s:g} s"
        )
        assert resumed_s <= 2.0
        assert old == []
        assert stale_s <= STALE_S
        assert busy_s < 0.2 * stop_s  # it does not spin
        viewer.wait_more(15)
        assert all(seen.age_ms < 1000 for seen in viewer.seen[-15:])
        finish(sender, viewer)


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


@pytest.mark.parametrize("stop_s", [2.0, pytest.param(60.0, marks=pytest.mark.slow)])
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
    later = [
        path for path in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
        if path.stat().st_mtime > going_utc + 1.0
    ]  # fmt: skip
    ages = [path.stat().st_mtime - captured_s(path) for path in later]
    figure(f"oldest frame later than 1 s after SIGCONT: {max(ages) * 1e3:.0f} ms")
    assert max(ages) < 1.0


def captured_s(path: Path) -> float:
    """Capture time of a saved frame, from its name."""
    stamp = path.stem.split("_")[-1].rstrip("Z")
    return datetime.strptime(stamp, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("others", [3, pytest.param(7, marks=pytest.mark.slow)])
def test_row_6_a_viewer_at_1_fps_costs_the_others_no_frame(
    tmp_path: Path, figure: Figure, others: int
) -> None:
    release = threading.Event()

    def be_slow(_: Frame) -> None:
        release.wait(1.0)  # the slowness that is tested

    with ExitStack() as stack:
        sender = stack.enter_context(sending(tmp_path, "--wait-viewers", str(others)))
        fast = [stack.enter_context(Viewer(sender.address, live=False)) for _ in range(others)]
        for viewer in fast:
            viewer.wait_more(30)
        before = [seen.age_ms for viewer in fast for seen in viewer.seen[10:]]
        slow = stack.enter_context(Viewer(sender.address, be_slow))
        stack.callback(release.set)
        slow.wait_more(1)
        marks = [len(viewer.seen) for viewer in fast]
        slow.wait_more(2)
        during = [
            seen.age_ms
            for viewer, mark in zip(fast, marks, strict=True)
            for seen in viewer.seen[mark:]
        ]
        release.set()
        p50 = percentile(before, 0.5), percentile(during, 0.5)
        figure(f"age p50 of the others {p50[0]:.1f} ms without, {p50[1]:.1f} ms with a slow one")
        assert p50[1] <= 1.1 * p50[0] + BUSY_MS
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
    peer.sendall(b"\0\x01\x01")  # one frame: subscribe to the empty prefix
    return peer


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
            sender.stop()
            stop_s = time.monotonic() - started
        check_all_arrived_or_counted(viewer.finish(), sender.report())
        figure(f"sender grew by {growth:.1f} MB, stopped within {stop_s:.2f} s")
        # Ten raw frames of 0.92 MB may wait in queue and buffers, beyond what the allocator keeps.
        assert growth < SETTLE_MB + 10
        assert stop_s < STOP_S
        assert viewer.subscriber.balance().lost == {}


@contextmanager
def other_service(address: str, answer: bytes) -> Iterator[None]:
    """A server at `address` that says `answer` to everybody, and is none of ours."""
    listener = socket.create_server(port_of(address))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(5)
                try:
                    peer.recv(4096)
                    peer.sendall(answer)
                    while peer.recv(4096):
                        continue
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            b"HTTP/1.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n" * 4,
            id="http",
            marks=pytest.mark.slow,
        ),
        pytest.param(bytes(range(1, 255)) * 8, id="garbage"),
    ],
)
def test_row_17_another_service_on_the_port_is_survived_until_it_is_put_right(
    tmp_path: Path, figure: Figure, answer: bytes
) -> None:
    address = free_address()
    with ExitStack() as stack:
        with other_service(address, answer):
            viewer = stack.enter_context(Viewer(address))
            viewer.wait_state(State.PROTOCOL_REFUSED, 0.0)
        sender = stack.enter_context(sending(tmp_path, "--wait-viewers", "1", address=address))
        sender.wait_listening()
        listening = time.monotonic()
        viewer.wait_for(lambda seen: len(seen) > 0)
        live_s = viewer.seen[0].at - listening
        figure(f"live {live_s:.2f} s after the true sender listens")
        assert live_s <= 3.0
        viewer.wait_more(10)
        finish(sender, viewer)


@pytest.mark.parametrize("peers", [150, pytest.param(500, marks=pytest.mark.slow)])
def test_row_30_half_open_peers_beyond_the_descriptors_cost_a_viewer_no_frames(
    tmp_path: Path, figure: Figure, peers: int
) -> None:
    with (
        sending(tmp_path, "--wait-viewers", "1") as sender,
        Viewer(sender.address, live=False) as viewer,
        ExitStack() as flood,
    ):
        viewer.wait_more(30)
        limit = sender.descriptors() + 30
        resource.prlimit(sender.pid, resource.RLIMIT_NOFILE, (limit, limit))
        for _ in range(peers):
            peer = flood.enter_context(socket.socket())
            peer.setblocking(False)
            peer.connect_ex(port_of(sender.address))
        seen = viewer.wait_more(90)
        span_s = seen[-1].at - seen[0].at
        figure(f"{89 / span_s:.1f} fps of 30 beside {peers} half-open connections")
        published = seen[-1].sequence - seen[0].sequence + 1
        assert len(seen) >= 0.95 * published
        flood.close()
        # The port serves newcomers again once the half-open ones are gone.
        with joined(sender.address) as late:
            late.wait_more(5)
            finish(sender, viewer)
            late.finish()


@contextmanager
def burners(count: int) -> Iterator[None]:
    """Processes that use all the processor time they can get."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_row_32_without_processor_time_frames_are_shed_before_the_encoder_and_stay_fresh(
    tmp_path: Path, figure: Figure
) -> None:
    """More frames come than can be encoded even on a quiet machine."""
    source = "synthetic:conveyor?width=640&height=360&fps=240"
    with (
        sending(tmp_path, "--wait-viewers", "1", source=source) as sender,
        Viewer(sender.address) as viewer,
    ):
        viewer.wait_more(40)
        calm = [seen.age_ms for seen in viewer.wait_more(40)]
        with burners(4):
            viewer.wait_more(10)
            starved = [seen.age_ms for seen in viewer.wait_more(40)]
        ages = percentile(calm, 0.5), percentile(starved, 0.5)
        figure(f"age p50 {ages[0]:.0f} ms calm, {ages[1]:.0f} ms beside 4 burners")
        # A queue would grow by seconds here; what is allowed is the share of time that is left.
        processors = os.cpu_count() or 1
        assert ages[1] <= 2 * ages[0] * (4 + processors) / processors + 100
        finish(sender, viewer)
        assert sender.report()["lost"][MAILBOX] > 0


def test_row_35_sigterm_under_load_says_the_totals_and_ends_in_time(
    tmp_path: Path, figure: Figure
) -> None:
    source = "synthetic:conveyor?width=1280&height=720&fps=120"
    report = tmp_path / "received.json"
    with (
        sending(tmp_path, "--wait-viewers", "2", source=source) as sender,
        rankcast("receive", "--connect", sender.address, "--report", str(report)) as receiver,
        Viewer(sender.address) as viewer,
    ):
        viewer.wait_more(20)
        receiver.wait_line("fps")
        started = time.monotonic()
        sender.stop()
        stop_s = time.monotonic() - started
        figure(f"ended within {stop_s:.2f} s")
        assert stop_s < STOP_S
        sent = sender.report()
        check_all_arrived_or_counted(viewer.finish(), sent)
        assert receiver.wait() == 0, receiver.lines
    assert check_received(report)["published"] == sent["published"]
