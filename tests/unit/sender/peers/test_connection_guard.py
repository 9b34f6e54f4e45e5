"""ConnectionGuard over real sockets: only the connection that floods is closed."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
import zmq

from rankcast_sender.peers import ConnectionGuard, descriptor_of
from rankcast_sender.peers.connection_guard import cut, received_bytes
from support.fakes import free_address
from support.raw_zmtp import RawPeer, message
from support.viewers import port_of

ALLOWANCE = 20_000
WAIT_MS = 10_000


@pytest.fixture
def port() -> int:
    return port_of(free_address())[1]


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    with zmq.Context() as context:
        yield context


@pytest.fixture
def router(context: zmq.Context[Any], port: int) -> Iterator[zmq.Socket[Any]]:
    with context.socket(zmq.ROUTER) as router:
        router.setsockopt(zmq.LINGER, 0)
        router.setsockopt(zmq.RCVHWM, 0)
        router.setsockopt(zmq.RCVTIMEO, WAIT_MS)
        yield router
    del port


def closed(peer: RawPeer) -> bool:
    """Return True once the other end has closed the connection."""
    with suppress(ConnectionError):
        return peer.socket.recv(1) == b""
    return True


def test_a_connection_that_sends_more_than_is_read_is_closed_and_no_other(
    context: zmq.Context[Any], router: zmq.Socket[Any], port: int
) -> None:
    guard, bans = ConnectionGuard(), []
    guard.start(context)

    def ban(user: str, reason: str) -> None:
        bans.append((user, reason))

    with closing(guard), guard.guarding(router, port, ALLOWANCE, "requests", ban) as watch:
        router.bind(f"tcp://127.0.0.1:{port}")
        good, bad = RawPeer(port, "DEALER"), RawPeer(port, "DEALER")
        with good.socket, bad.socket:
            with suppress(OSError):
                bad.send(message(b"first"))
                first = router.recv_multipart(copy=False)[1]
                until = time.monotonic() + WAIT_MS / 1000
                while descriptor_of(first) not in watch.accepted_s:
                    assert time.monotonic() < until
                watch.users[descriptor_of(first)] = "bad"
                for _ in range(30):
                    bad.send(message(b"x" * 1000))
            assert closed(bad)
            # What was sent before is still there, and says whose it is.
            part = router.recv_multipart(copy=False)[1]
            assert watch.is_ended(descriptor_of(part))
            assert not watch.is_ended(10_000)
            good.send(message(b"still here"))
            while router.recv_multipart()[1] != b"still here":
                continue
            assert guard.cut == 1
    assert bans == [("bad", f"it sent port {port} more requests than allowed")]


def test_one_that_sends_no_more_than_is_read_stays(
    context: zmq.Context[Any], router: zmq.Socket[Any], port: int
) -> None:
    guard = ConnectionGuard()
    guard.start(context)
    with closing(guard), guard.guarding(router, port, ALLOWANCE, "requests") as watch:
        router.bind(f"tcp://127.0.0.1:{port}")
        peer = RawPeer(port, "DEALER")
        with peer.socket:
            for _ in range(200):
                peer.send(message(b"x" * 1000))
                part = router.recv_multipart(copy=False)[1]
                watch.took(descriptor_of(part), len(part))
        assert guard.cut == 0


def test_only_connections_of_the_port_are_ever_closed(tmp_path: Any) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as ours,
        listener.accept()[0] as theirs,
        (tmp_path / "file").open("wb") as file,
    ):
        port = listener.getsockname()[1]
        assert not cut(file.fileno(), port)
        assert not cut(10_000, port)
        assert not cut(ours.fileno(), port), "it was accepted by another process"
        assert not cut(theirs.fileno(), port + 1)
        ours.sendall(b"x" * 100)
        theirs.recv(100)
        assert received_bytes(theirs.fileno(), port) == (100, "127.0.0.1")
        assert received_bytes(file.fileno(), port) == (0, "")
        before = len(os.listdir("/proc/self/fd"))
        assert cut(theirs.fileno(), port)
        assert ours.recv(1) == b""
        assert len(os.listdir("/proc/self/fd")) == before
        os.write(file.fileno(), b"still open")
