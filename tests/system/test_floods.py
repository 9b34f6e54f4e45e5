"""Floods by a peer that may connect: the sender's memory stays bounded, others keep their frames.

Receive pipes are unbounded, so that libzmq itself no longer holds a flood back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from rankcast.net import CONTROL_PORT_OFFSET
from support.flooder import KINDS, flooding
from support.keyed_station import KeyedStation
from support.processes import rankcast_environment
from support.raw_zmtp import RawPeer, message
from support.starvation import Starvation
from support.viewers import Sender, Viewer, port_of, sending

pytestmark = pytest.mark.slow

Figure = Callable[[str], None]
MAX_GROWTH_MB = 200.0
SECONDS = 5.0
FPS = 30
MIN_FRAMES = 0.95
"""Of those of the time in which both ends had a processor."""
CROWD = 200
READING_S = 0.25


class Memory:
    """The largest resident size of a sender, sampled while something goes on."""

    def __init__(self, sender: Sender) -> None:
        self._process = psutil.Process(sender.process.process.pid)
        self.before_mb = self.peak_mb = self._process.memory_info().rss / 1e6

    def look(self) -> None:
        self.peak_mb = max(self.peak_mb, self._process.memory_info().rss / 1e6)

    def watch_until(self, done: Callable[[], bool]) -> None:
        while not done():
            self.look()
            time.sleep(0.02)  # the sampling interval

    @property
    def growth_mb(self) -> float:
        return self.peak_mb - self.before_mb


def quick_only(quick: str) -> list[Any]:
    """All kinds of floods, of which `make test` runs one."""
    return [pytest.param(kind, marks=() if kind == quick else pytest.mark.slow) for kind in KINDS]


def control_port(sender: Sender) -> int:
    return port_of(sender.address)[1] + CONTROL_PORT_OFFSET


def check_flood(
    sender: Sender, viewer: Viewer, kind: str, keys: tuple[str, ...], figure: Figure
) -> None:
    """Flood the sender; check its memory and the frames of its viewer."""
    port = control_port(sender)
    if kind == "subscriptions":
        port -= CONTROL_PORT_OFFSET
    viewer.wait_more(5)
    starved = Starvation(sender.pid, os.getpid())
    frames_before, began_s = len(viewer.seen), time.monotonic()
    memory = Memory(sender)
    with flooding(port, kind, SECONDS, keys, **rankcast_environment()) as flooder:
        memory.watch_until(lambda: flooder.poll() is not None)
        sent = int(flooder.communicate()[0])
    frames = len(viewer.seen) - frames_before
    passed_s, starved_s = time.monotonic() - began_s, starved.seconds()
    lost = viewer.subscriber.balance().lost
    figure(f"{sent} messages, +{memory.growth_mb:.0f} MB, {frames} of {passed_s * FPS:.0f} frames, "
           f"{dict(lost)} lost, {starved_s:.2f} s without a processor")  # fmt: skip
    assert sent > 1000, "not much of a flood"
    assert memory.growth_mb < MAX_GROWTH_MB
    # No connection but the flooder's was closed, and nothing that was sent is missing.
    assert viewer.subscriber.reconnects == 0
    assert lost.get("network_gap", 0) == 0
    if keys:
        # Without keys the flooder comes back at once, and costs processor time.
        assert frames >= MIN_FRAMES * FPS * (passed_s - starved_s)
    viewer.wait_more(5)


@pytest.mark.parametrize("kind", quick_only("subscriptions"))
def test_a_flood_without_keys_costs_its_connection(
    tmp_path: Path, figure: Figure, kind: str
) -> None:
    with sending(tmp_path, "--codec", "jpeg") as sender, Viewer(sender.address) as viewer:
        check_flood(sender, viewer, kind, (), figure)
        sender.process.wait_match("connection of 127|its connection was closed")


@pytest.mark.parametrize("kind", quick_only("pings"))
def test_a_flood_by_an_admitted_key_gets_the_key_refused(
    tmp_path: Path, figure: Figure, kind: str
) -> None:
    station = KeyedStation(tmp_path)
    station.make("viewer")
    station.make("mallory")
    (curve,) = station.curves("mallory")
    keys = (curve.secret.decode(), curve.public.decode(), curve.server_public.decode())
    with (
        station.sending() as sender,
        Viewer(sender.address, curves=station.curves("viewer")) as viewer,
    ):
        check_flood(sender, viewer, kind, keys, figure)
        sender.process.wait_line("the key of mallory is refused for 60 s")
        told = [line for line in sender.process.lines if "mallory is refused" in line]
        assert len(told) == 1, "said once"
        viewer.wait_for(lambda _: flooding_keys(viewer) == 1)


def flooding_keys(viewer: Viewer) -> object:
    """Return how many keys the sender says it refuses."""
    for stream in viewer.subscriber.streams.values():
        if stream.status is not None:
            return stream.status.keys.get("flooding")
    return None


@pytest.mark.parametrize("size", [40, pytest.param(900, marks=pytest.mark.slow)])
def test_subscriptions_faster_than_libzmq_can_store_them_are_cut_off(
    tmp_path: Path, figure: Figure, size: int
) -> None:
    # Without a guard, libzmq stores them for as long as they come, within one call.
    with sending(tmp_path, "--codec", "jpeg") as sender, Viewer(sender.address) as viewer:
        viewer.wait_more(5)
        memory = Memory(sender)
        for _ in range(5):
            block = b"".join(message(b"\1" + os.urandom(size)) for _ in range(1000))
            # It is cut off, and soon is not let in again for a while.
            with (
                suppress(OSError, AssertionError),
                closing(RawPeer(port_of(sender.address)[1], "SUB").socket) as peer,
            ):
                for _ in range(1000):
                    peer.sendall(block)
                    memory.look()
            memory.look()
            viewer.wait_more(3)
        figure(f"topics of {size} bytes, +{memory.growth_mb:.0f} MB")
        assert memory.growth_mb < MAX_GROWTH_MB
        assert viewer.subscriber.reconnects == 0


@pytest.mark.slow
def test_a_message_without_an_end_is_cut_off(tmp_path: Path, figure: Figure) -> None:
    with sending(tmp_path, "--codec", "jpeg") as sender, Viewer(sender.address) as viewer:
        viewer.wait_more(5)
        memory = Memory(sender)
        peer = RawPeer(control_port(sender), "DEALER")
        sent = 0
        with suppress(OSError):
            while sent < 100_000_000:
                peer.send(b"\1\0" * 4096)  # empty parts, with more to come
                sent += 8192
                memory.look()
        peer.socket.close()
        memory.look()
        figure(f"{sent / 1e6:.1f} MB of parts, +{memory.growth_mb:.0f} MB")
        assert sent < 100_000_000
        assert memory.growth_mb < MAX_GROWTH_MB
        viewer.wait_more(5)


@pytest.mark.parametrize("kind", [pytest.param("SUB", marks=pytest.mark.slow), "DEALER"])
def test_many_connections_each_within_its_allowance_are_bounded_together(
    tmp_path: Path, figure: Figure, kind: str
) -> None:
    def rounds(kind: str) -> Iterator[bytes]:
        for _ in range(12):
            if kind == "SUB":
                yield b"".join(message(b"\1" + os.urandom(1000)) for _ in range(10))
            else:
                yield b"\1\0" * 8000  # empty parts, with more to come

    with sending(tmp_path, "--codec", "jpeg") as sender, Viewer(sender.address) as viewer:
        viewer.wait_more(5)
        port = port_of(sender.address)[1] if kind == "SUB" else control_port(sender)
        peers = []
        with ExitStack() as stack:
            for _ in range(CROWD):
                with suppress(OSError, AssertionError):  # one too many
                    peers.append(RawPeer(port, kind))
                    stack.enter_context(peers[-1].socket)
            sender.process.wait_match("64 connections of its address are open already")
            memory, sent, starved = Memory(sender), 0, Starvation(sender.pid, os.getpid())
            for block in rounds(kind):
                for peer in peers:
                    with suppress(OSError):
                        peer.send(block)
                        sent += len(block)
                memory.look()
            viewer.wait_more(30)
            memory.look()
        gap = viewer.subscriber.balance().lost.get("network_gap", 0)
        figure(f"{len(peers)} connections, {sent / 1e6:.1f} MB, +{memory.growth_mb:.0f} MB, "
               f"{gap} lost, {starved.seconds():.2f} s without a processor")  # fmt: skip
        assert sent > 1_000_000, "not much of a flood"
        assert memory.growth_mb < MAX_GROWTH_MB
        assert viewer.subscriber.reconnects == 0
        # The queue of a viewer holds four frames: it overflows where libzmq's one thread waits for
        # a processor, or reads what the crowd sent.
        assert gap <= FPS * (starved.seconds() + READING_S)


@pytest.mark.slow
def test_polite_connections_that_fill_the_sender_slowly_make_no_other_reconnect(
    tmp_path: Path, figure: Figure
) -> None:
    with sending(tmp_path, "--codec", "jpeg") as sender, Viewer(sender.address) as viewer:
        viewer.wait_more(5)
        memory, port = Memory(sender), port_of(sender.address)[1]
        for _ in range(4):
            with ExitStack() as stack:
                for _ in range(9):
                    with suppress(OSError, AssertionError):
                        peer = RawPeer(port, "SUB")
                        stack.enter_context(peer.socket)
                        for _ in range(120):
                            peer.send(message(b"\1" + os.urandom(1000)))
                memory.look()
                viewer.wait_more(10)
        figure(f"+{memory.growth_mb:.0f} MB")
        sender.process.wait_match("closed the connection of 127.0.0.1")
        assert not any("all connections" in line for line in sender.process.lines)
        assert memory.growth_mb < MAX_GROWTH_MB
        assert viewer.subscriber.reconnects == 0
        assert viewer.subscriber.balance().lost.get("network_gap", 0) == 0
