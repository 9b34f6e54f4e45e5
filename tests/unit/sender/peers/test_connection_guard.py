"""ConnectionGuard over real sockets: only connections that pile up what is not read are closed."""

from __future__ import annotations

import os
import resource
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

import pytest
import zmq

from rankcast_sender.peers import ConnectionGuard, Watch, connection_guard, descriptor_of
from rankcast_sender.peers.connection_guard import MAX_MUTE_BYTES, MUTE_BYTES
from rankcast_sender.peers.guarded_connection import GuardedConnection
from rankcast_sender.peers.search_cost import MAX_BYTES
from support.fakes import free_address
from support.raw_zmtp import RawPeer, message
from support.viewers import port_of

ALLOWANCE = 20_000
WAIT_S = 10.0


@pytest.fixture
def port() -> int:
    return port_of(free_address())[1]


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    with zmq.Context() as context:
        yield context


@pytest.fixture
def router(context: zmq.Context[Any]) -> Iterator[zmq.Socket[Any]]:
    with context.socket(zmq.ROUTER) as router:
        router.setsockopt(zmq.LINGER, 0)
        router.setsockopt(zmq.RCVHWM, 0)
        router.setsockopt(zmq.RCVTIMEO, round(WAIT_S * 1000))
        yield router


@contextmanager
def guarded(
    context: zmq.Context[Any],
    router: zmq.Socket[Any],
    port: int,
    guard: ConnectionGuard | None = None,
    ban: Callable[[str, str], None] | None = None,
) -> Iterator[tuple[ConnectionGuard, Watch]]:
    """Guard a router that is bound to `port`."""
    guard = guard or ConnectionGuard()
    guard.start(context)
    with closing(guard), guard.guarding(router, port, ALLOWANCE, "requests", ban) as watch:
        router.bind(f"tcp://127.0.0.1:{port}")
        yield guard, watch


@contextmanager
def peers(port: int, count: int) -> Iterator[list[RawPeer]]:
    """Connect so many clients."""
    with ExitStack() as stack:
        made = []
        for _ in range(count):
            made.append(RawPeer(port, "DEALER"))
            stack.enter_context(made[-1].socket)
        yield made


def wait_for(reached: Callable[[], object]) -> None:
    until = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < until


def closed(peer: RawPeer) -> bool:
    """Return True once the other end has closed the connection."""
    with suppress(ConnectionError):
        return peer.socket.recv(1) == b""
    return True


def is_open(peer: RawPeer) -> bool:
    """Return True while the other end has not closed the connection."""
    peer.socket.setblocking(False)
    try:
        return peer.socket.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    finally:
        peer.socket.settimeout(WAIT_S)


def test_a_connection_that_sends_more_than_is_read_is_closed_and_no_other(
    context: zmq.Context[Any], router: zmq.Socket[Any], port: int
) -> None:
    bans = []

    def ban(user: str, reason: str) -> None:
        bans.append((user, reason))

    with guarded(context, router, port, ban=ban) as (guard, watch), peers(port, 2) as (good, bad):
        with suppress(OSError):
            bad.send(message(b"first"))
            first = router.recv_multipart(copy=False)[1]
            wait_for(lambda: descriptor_of(first) in watch.accepted_s)
            watch.users[descriptor_of(first)] = "bad"
            for _ in range(30):
                bad.send(message(b"x" * 1000))
        assert closed(bad)
        # What was sent before is still there, and says whose it is.
        part = router.recv_multipart(copy=False)[1]
        ending = watch.ending_of(descriptor_of(part))
        assert ending is not None
        assert watch.ending_of(10_000) is None
        good.send(message(b"still here"))
        while router.recv_multipart()[1] != b"still here":
            continue
    # The peer sees the end of its connection before the guard has counted it.
    assert guard.cut == 1
    assert bans == [("bad", f"it sent port {port} more requests than can be read")]


def test_one_that_sends_no_more_than_is_read_stays(
    context: zmq.Context[Any], router: zmq.Socket[Any], port: int
) -> None:
    with guarded(context, router, port) as (guard, watch), peers(port, 1) as (peer,):
        for _ in range(200):
            peer.send(message(b"x" * 1000))
            part = router.recv_multipart(copy=False)[1]
            watch.took(descriptor_of(part), len(part))
        assert guard.cut == 0


def test_what_a_key_piles_up_over_a_long_time_costs_its_connection_only(
    context: zmq.Context[Any],
    router: zmq.Socket[Any],
    port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rankcast_sender.peers.guarded_connection.SUDDEN_S", 0.2)
    bans = []
    with (
        guarded(context, router, port, ban=lambda *ban: bans.append(ban)) as (guard, watch),
        peers(port, 1) as (slow,),
    ):
        slow.send(message(b"first"))
        first = router.recv_multipart(copy=False)[1]
        wait_for(lambda: descriptor_of(first) in watch.accepted_s)
        watch.users[descriptor_of(first)] = "slow"
        looked = connection_guard.time.monotonic()
        with suppress(OSError):
            while is_open(slow):
                slow.send(message(b"x" * 300))
                looked += 0.02
                wait_for(lambda: time.monotonic() > looked)  # noqa: B023 - called at once
        assert closed(slow)
        ending = watch.ending_of(descriptor_of(first))
        assert ending is not None
        assert ending.reason == ""
    assert bans == []
    assert guard.cut == 1


def test_all_connections_together_are_bounded_and_one_that_holds_little_stays(
    context: zmq.Context[Any],
    router: zmq.Socket[Any],
    port: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(connection_guard, "MAX_UNREAD_BYTES", 5 * ALLOWANCE)
    with guarded(context, router, port) as (guard, _), peers(port, 12) as all_of_them:
        good, *greedy = all_of_them
        good.send(message(b"x" * 100))
        for peer in greedy:  # each below its own allowance
            with suppress(OSError):
                for _ in range(15):
                    peer.send(message(b"x" * 1000))
        wait_for(lambda: guard.cut == len(greedy))
        assert is_open(good)
    assert "most of all" in caplog.text


def test_a_peer_has_a_bounded_number_of_connections_and_those_that_it_has_stay(
    context: zmq.Context[Any],
    router: zmq.Socket[Any],
    port: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    guard = ConnectionGuard(max_connections=3)
    with guarded(context, router, port, guard), peers(port, 3) as first:
        # In the order in which they were accepted.
        wait_for(lambda: len(guard._connections) == 3)
        with socket.create_connection(("127.0.0.1", port), WAIT_S) as more, suppress(OSError):
            while more.recv(1000):
                continue
        assert all(is_open(peer) for peer in first)
        first[0].socket.close()
        wait_for(lambda: len(guard._connections) == 2)
        with peers(port, 1) as again:
            wait_for(lambda: len(guard._connections) == 3)
            assert is_open(again[0])
    assert guard.cut == 1
    assert "3 connections of its address are open already (limits.max_connections)" in caplog.text


def test_an_address_that_is_cut_off_again_and_again_has_to_wait(
    context: zmq.Context[Any], router: zmq.Socket[Any], port: int
) -> None:
    with guarded(context, router, port) as (guard, _), peers(port, 1) as (good,):
        wait_for(lambda: len(guard._connections) == 1)
        while not guard._wasted.is_too_much("127.0.0.1"):
            with suppress(OSError, AssertionError), RawPeer(port, "DEALER").socket as bad:
                for _ in range(100):
                    bad.sendall(message(b"x" * 1000))
        cut = guard.cut
        with socket.create_connection(("127.0.0.1", port), WAIT_S) as more, suppress(OSError):
            while more.recv(1000):
                continue
        assert is_open(good)
        wait_for(lambda: guard.cut > cut)
        guard._wasted._accounts.clear()
        with peers(port, 1) as (later,):
            later.send(message(b"let in again"))
            while router.recv_multipart()[1] != b"let in again":
                continue


def drain_pace(guard: ConnectionGuard, owner: str) -> int:
    """Connect as often as it may at once, or a hundred times; return how often it did."""
    return next((count for count in range(100) if not guard.admits(owner, control=False)), 100)


def test_the_ends_of_connections_cost_what_there_is_to_search_read_or_not(
    context: zmq.Context[Any], router: zmq.Socket[Any], port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with guarded(context, router, port) as (guard, watch), peers(port, 1) as (holder,):
        watch.topics_bytes = lambda: MAX_BYTES - 5000
        holder.send(message(b"x" * 10_000))
        wait_for(lambda: any(one.unread > 9000 for one in list(guard._connections.values())))
        assert drain_pace(guard, "10.0.0.9") == 100
        with peers(port, 1):
            wait_for(lambda: watch.attached == 2)
        wait_for(lambda: "come and go so often" in caplog.text)
        # Who connects often has to wait, and nobody else.
        assert guard.admits("10.0.0.8", control=False)
        assert drain_pace(guard, "10.0.0.9") < 100


def test_connections_without_a_handshake_cost_nothing_when_they_end(
    context: zmq.Context[Any], router: zmq.Socket[Any], port: int
) -> None:
    with guarded(context, router, port) as (_, watch), peers(port, 1) as (viewer,):
        wait_for(lambda: watch.attached == 1)
        watch.topics_bytes = lambda: 1000
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port), WAIT_S):
                wait_for(lambda: watch.connections == 2)
            wait_for(lambda: watch.connections == 1)
        assert watch.cost._bytes == 0
        viewer.socket.close()
        # Its cost is counted last, after it has left.
        wait_for(lambda: watch.cost._bytes)
        assert watch.cost._bytes == 1000
        assert watch.connections == watch.attached == 0


def test_what_libzmq_may_keep_of_connections_that_were_never_heard_adds_up(
    context: zmq.Context[Any], router: zmq.Socket[Any], port: int
) -> None:
    with guarded(context, router, port) as (_, watch):
        with peers(port, 1) as (heard,):
            heard.send(message(b"hello"))
            watch.took(descriptor_of(router.recv_multipart(copy=False)[-1]), 5)
            with peers(port, 3):
                wait_for(lambda: watch.attached == 4)
            wait_for(lambda: watch.connections == 1)
        wait_for(lambda: watch.connections == 0)
        assert 3 * MUTE_BYTES <= watch.mute_bytes < 4 * MUTE_BYTES


def test_a_socket_that_closes_while_too_much_is_unheard_ends_no_thread() -> None:
    told: list[int] = []

    class Closing(Watch):
        def __getattribute__(self, name: str) -> Any:
            if name != "on_mute":
                return super().__getattribute__(name)
            looks.append(name)
            return told.append if len(looks) == 1 else None

    looks: list[str] = []
    watch = Closing(1, ALLOWANCE, "requests", connections=1, attached=1)
    watch.mute_bytes = MAX_MUTE_BYTES
    guard = ConnectionGuard()
    guard._connections[7] = GuardedConnection(watch, 7, None, 0.0)
    guard._forget(7)
    assert told == [MAX_MUTE_BYTES + MUTE_BYTES]


def test_connections_that_end_with_their_socket_cost_nothing(
    context: zmq.Context[Any], router: zmq.Socket[Any], port: int
) -> None:
    guard = ConnectionGuard()
    guard.start(context)
    with closing(guard), guard.guarding(router, port, ALLOWANCE, "requests") as watch:
        router.bind(f"tcp://127.0.0.1:{port}")
        watch.topics_bytes = lambda: 1000
        watch.on_mute = print
        with peers(port, 3):
            wait_for(lambda: watch.attached == 3)
    assert watch.topics_bytes is None
    assert watch.on_mute is None


@contextmanager
def without_descriptors() -> Iterator[None]:
    """Use up all descriptors of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = [int(name) for name in os.listdir("/proc/self/fd")]
    held = []
    # Those that are open stay; the one above the highest is free, so that it can be used up.
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(used) + 2, hard))
    try:
        with suppress(OSError):
            while True:
                held.append(os.dup(used[0]))
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_descriptor_used_again_while_the_scissors_hold_the_older_one_is_looked_at_once() -> None:
    guard = ConnectionGuard()
    older, older_peer = socket.socketpair()
    newer, newer_peer = socket.socketpair()
    with older, older_peer, newer, newer_peer, select.epoll() as arrivals:
        number = os.dup(older.fileno())
        arrivals.register(number, select.EPOLLIN | select.EPOLLET)
        os.dup2(newer.fileno(), number)  # `older` plays the duplicate
        arrivals.register(number, select.EPOLLIN | select.EPOLLET)
        connection = GuardedConnection(Watch(0, ALLOWANCE, "requests"), number, None, 0.0)
        guard._connections[number] = connection
        older_peer.send(b"x")
        newer_peer.send(b"x")
        try:
            assert guard._arrived(arrivals) == [connection]
        finally:
            os.close(number)


def test_a_process_without_descriptors_still_ends_connections_and_forgets_none(
    context: zmq.Context[Any], router: zmq.Socket[Any], port: int
) -> None:
    with guarded(context, router, port) as (guard, _), peers(port, 2) as (first, second):
        wait_for(lambda: len(guard._connections) == 2)
        with without_descriptors():
            looked_s = guard._looked_s
            wait_for(lambda: guard._looked_s > looked_s + 0.3)
            assert len(guard._connections) == 2
            with suppress(OSError):
                for _ in range(100):
                    first.send(message(b"x" * 1000))
            assert closed(first)
        with suppress(OSError):
            for _ in range(100):
                second.send(message(b"x" * 1000))
        assert closed(second)


def test_a_guard_that_fails_blocks_nobody(
    context: zmq.Context[Any],
    router: zmq.Socket[Any],
    port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guard = ConnectionGuard()

    def fail(_: object) -> int:
        raise RuntimeError("a fault of the guard")

    monkeypatch.setattr(guard, "_check", fail)
    guard.start(context)
    with guard.guarding(router, port, ALLOWANCE, "requests"):
        router.bind(f"tcp://127.0.0.1:{port}")
        RawPeer(port, "DEALER").socket.close()
        wait_for(lambda: guard.error)
        with peers(port, 3) as later:
            for peer in later:
                peer.send(message(b"still here"))
                while router.recv_multipart()[1] != b"still here":
                    continue
    with pytest.raises(RuntimeError, match="fault of the guard"):
        guard.close()


def test_no_descriptor_is_left_behind(
    context: zmq.Context[Any], router: zmq.Socket[Any], port: int
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    guard = ConnectionGuard()
    guard.start(context)
    with guard.guarding(router, port, ALLOWANCE, "requests"):
        pass
    guard.close()
    guard.close()
    # Of libzmq's own threads and monitors some stay until the context ends.
    with socket.socket() as probe:
        assert probe.fileno() <= before + 8
