"""Subscriptions over a real XPUB socket: who holds foreign topics is ended, and nobody else."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from typing import Any

import pytest
import zmq

from rankcast.wire import frames_topic, status_topic, viewer_topic
from rankcast_sender.peers import Ban, ConnectionGuard, Watch
from rankcast_sender.peers.search_cost import SearchCost
from rankcast_sender.sockets import subscriptions
from rankcast_sender.sockets.subscriptions import CONNECTION_BYTES, Subscriptions
from support.fakes import free_address
from support.raw_zmtp import RawPeer, message
from support.viewers import port_of

WAIT_S = 10.0
NAMES = [f"{number:032d}" for number in range(64)]
"""As many cameras as one sender may have, each with the longest name."""


class Station:
    """An XPUB socket with its guard, and what reads it."""

    def __init__(self, stack: ExitStack, ban: Ban | None = None) -> None:
        self.port = port_of(free_address())[1]
        self.rebound = 0
        self.guard = ConnectionGuard()
        context = stack.enter_context(zmq.Context())
        self._xpub: zmq.Socket[Any] = stack.enter_context(context.socket(zmq.XPUB))
        for option, value in ((zmq.LINGER, 0), (zmq.RCVHWM, 0), (zmq.XPUB_VERBOSE, 1)):
            self._xpub.setsockopt(option, value)
        self.guard.start(context)
        stack.enter_context(closing(self.guard))
        self.watch: Watch = stack.enter_context(
            self.guard.guarding(self._xpub, self.port, CONNECTION_BYTES, "subscriptions", ban, 64)
        )
        self._xpub.bind(f"tcp://127.0.0.1:{self.port}")
        self.subscriptions = Subscriptions(["cam"], self.port, 2000, ban, self._rebind)
        self._context = context

    def _rebind(self) -> None:
        self.rebound += 1

    def read(self, timeout_s: float = 0.05) -> None:
        """Read what there is, for so long."""
        until = time.monotonic() + timeout_s
        while self._xpub.poll(max(0, round(1000 * (until - time.monotonic())))):
            self.subscriptions.read(self._xpub, self.watch)

    def descriptor_of(self, peer: RawPeer) -> int:
        """Return the descriptor at this end of the connection of the newest peer."""
        address = peer.socket.getsockname()
        until = time.monotonic() + WAIT_S
        while True:
            for one in list(self.guard._connections.values()):
                if one.peer == address:
                    return one.descriptor
            assert time.monotonic() < until

    def turn(self) -> None:
        """Do what the thread of a sender does in each turn, with or without messages."""
        self.subscriptions.read(self._xpub, self.watch)

    def read_until(self, bytes_of_foreign: int) -> None:
        """Read until foreign topics count for so much."""
        until = time.monotonic() + WAIT_S
        while self.subscriptions.audience.foreign.bytes != bytes_of_foreign:
            assert time.monotonic() < until, self.subscriptions.audience.foreign.bytes
            self.read()

    def viewer(self, stack: ExitStack, topics: Sequence[bytes]) -> zmq.Socket[Any]:
        """Connect a viewer with these subscriptions."""
        viewer: zmq.Socket[Any] = stack.enter_context(self._context.socket(zmq.SUB))
        viewer.setsockopt(zmq.LINGER, 0)
        viewer.setsockopt(zmq.SNDHWM, 0)
        for topic in topics:
            viewer.setsockopt(zmq.SUBSCRIBE, topic)
        viewer.connect(f"tcp://127.0.0.1:{self.port}")
        return viewer


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def topics_of_64_cameras() -> list[bytes]:
    token = os.urandom(16)
    return [
        topic
        for name in NAMES
        for topic in (frames_topic(name), status_topic(name), viewer_topic(token, name))
    ]


def is_open(peer: RawPeer) -> bool:
    peer.socket.settimeout(0.2)
    try:
        return peer.socket.recv(4096) != b""
    except TimeoutError:
        return True
    except ConnectionError:
        return False


def is_closed(peer: RawPeer) -> bool:
    with suppress(ConnectionError):
        return peer.socket.recv(4096) == b""
    return True


def test_a_viewer_of_64_cameras_of_another_sender_stays_connected(stack: ExitStack) -> None:
    # The most that a receiver with one list of cameras for all its senders asks of each.
    station, topics = Station(stack), topics_of_64_cameras()
    viewers = [station.viewer(stack, topics) for _ in range(20)]
    size = sum(len(topic) + 32 for topic in topics)
    station.read_until(size)
    assert 2 * size < subscriptions.MAX_FOREIGN_BYTES_OF_ONE
    received = [one._received for one in station.guard._connections.values()]
    assert len(received) == len(viewers)
    assert max(received) < 0.6 * CONNECTION_BYTES
    assert station.guard.cut == 0


def test_one_that_holds_too_much_is_ended_and_its_key_refused_without_rebinding(
    stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    bans: list[tuple[str, str]] = []
    station = Station(stack, lambda user, why: bans.append((user, why)))
    good, bad = (stack.enter_context(RawPeer(station.port, "SUB").socket) for _ in range(2))
    del good
    for _ in range(40):
        # As slowly as it is read, so that the guard has nothing to say.
        bad.sendall(message(b"\1" + os.urandom(1000)))
        station.read(0.02)
        if bans:
            break
    assert [why.partition(" bytes")[2] for _, why in bans] == [
        " of subscriptions to topics that are no camera's"
    ]
    station.read_until(0)
    assert (station.rebound, station.guard.cut) == (0, 0)
    assert "closed the connection of 127.0.0.1" in caplog.text
    assert "want at most 32768" in caplog.text


def test_the_connections_of_one_address_are_bounded_together(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(subscriptions, "MAX_FOREIGN_BYTES_OF_OWNER", 20_000)
    station = Station(stack)
    good, *greedy = (RawPeer(station.port, "SUB") for _ in range(6))
    for peer in (good, *greedy):
        stack.enter_context(peer.socket)
    good.send(message(b"\1" + b"g" * 200))
    for _ in range(5):
        for peer in greedy:
            with suppress(OSError):
                peer.send(message(b"\1" + os.urandom(1000)))
        station.read(0.02)
    foreign = station.subscriptions.audience.foreign
    assert 200 < foreign.owned["127.0.0.1"] <= 20_000
    assert "want at most 20000 of one address" in caplog.text
    # Only as many as needed, the largest first.
    good.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        good.socket.recv(1)
    assert station.rebound == 0


class Costly(SearchCost):
    """The ends of connections cost too much."""

    is_extreme = True


def test_while_connections_come_and_go_the_largest_owner_gives_its_topics_up_and_is_not_blamed(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bans: list[tuple[str, str]] = []
    station = Station(stack, lambda user, why: bans.append((user, why)))
    good = RawPeer(station.port, "SUB")
    first = station.descriptor_of(good)

    def owner(frame: zmq.Frame) -> str:
        return "good" if frame.get(zmq.SRCFD) == first else "greedy"

    monkeypatch.setattr(station.subscriptions, "_who", owner)
    greedy = [RawPeer(station.port, "SUB") for _ in range(8)]
    for peer in (good, *greedy):
        stack.enter_context(peer.socket)
        for number in range(12 if peer is good else 10):
            peer.send(message(b"\1%02d" % number + os.urandom(998)))
        station.read(0.02)
    station.read_until(92 * (1000 + 32))
    assert station.subscriptions.topics_bytes() == 92 * (1000 + 32)
    station.watch.cost = Costly()
    station.turn()
    station.read_until(62 * (1000 + 32))
    # The connection of the other owner is the largest, and stays.
    assert is_open(good)
    assert [is_open(peer) for peer in greedy].count(False) == 3
    assert "want at most 65536 while connections come and go" in caplog.text
    assert bans == []


def test_topics_of_a_connection_whose_descriptor_another_has_now_are_forgotten(
    stack: ExitStack,
) -> None:
    station = Station(stack)
    peer = RawPeer(station.port, "SUB")
    stack.enter_context(peer.socket)
    for _ in range(10):
        peer.send(message(b"\1" + os.urandom(1000)))
    station.read_until(10 * (1000 + 32))
    (holder,) = station.subscriptions.audience.foreign.largest()
    station.watch.accepted_s[holder.descriptor] = time.monotonic() + 10  # another one since
    station.subscriptions._end(holder, station.watch, "anything")
    assert is_open(peer)
    assert station.subscriptions.audience.foreign.bytes == 0


def test_all_together_are_bounded_and_one_that_holds_little_stays(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "MAX_FOREIGN_BYTES", 50_000)
    station = Station(stack)
    good, *greedy = (RawPeer(station.port, "SUB") for _ in range(11))
    for peer in (good, *greedy):
        stack.enter_context(peer.socket)
    good.send(message(b"\1" + b"g" * 200))
    for _ in range(9):
        for peer in greedy:  # each below its own limit
            with suppress(OSError):
                peer.send(message(b"\1" + os.urandom(1000)))
        station.read(0.02)
    assert station.subscriptions.audience.foreign.bytes < 60_000
    assert all(is_closed(peer) for peer in greedy)
    station.read_until(200 + 32)
    good.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        good.socket.recv(1)
    assert station.rebound == 0


def test_subscribing_and_leaving_within_the_rates_goes_on_for_ever(stack: ExitStack) -> None:
    station = Station(stack)
    # Another viewer has the topic as well, so that nobody is told when it is given up.
    station.viewer(stack, [frames_topic("cam")])
    busy = station.viewer(stack, [])
    for _ in range(40):
        for _ in range(50):
            for topic in (frames_topic("cam"), b"foreign"):
                busy.setsockopt(zmq.SUBSCRIBE, topic)
                busy.setsockopt(zmq.UNSUBSCRIBE, topic)
        station.read(0.02)
    station.read_until(0)
    received = max(one._received for one in station.guard._connections.values())
    assert received > 3 * CONNECTION_BYTES
    assert (station.guard.cut, station.rebound) == (0, 0)


def test_where_no_single_connection_can_be_ended_all_are_but_not_all_the_time(
    stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    station = Station(stack)
    station.watch.scissors = None
    bad = stack.enter_context(RawPeer(station.port, "SUB").socket)
    for _ in range(60):
        bad.sendall(message(b"\1" + os.urandom(1000)))
        station.read(0.01)
    assert station.rebound == 1
    assert "all connections are closed" in caplog.text
