"""The monitor against real sockets: every way in which a connection can fail has its own word."""

from __future__ import annotations

import socket as sockets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import zmq

from fuzz.zmtp.frames import greeting
from rankcast.net import CurveClient, LinkMonitor, LinkState, SocketOptions, configure
from rankcast.net.transport import CurveServer
from support.fakes import free_address

WAIT_S = 10.0
HANDSHAKE_MS = 1000


@pytest.fixture(autouse=True)
def _short_handshakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rankcast.net.transport.HANDSHAKE_MS", HANDSHAKE_MS)
    monkeypatch.setattr("rankcast.net.link_monitor.HANDSHAKE_MS", HANDSHAKE_MS)
    monkeypatch.setattr("rankcast.net.link_monitor.HANDSHAKE_S", 0.05)


@contextmanager
def watching(address: str, curve: CurveClient | None = None) -> Iterator[LinkMonitor]:
    monitor = LinkMonitor(keys=curve is not None)
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        configure(socket, SocketOptions(4, 65_536, 1 << 20, curve=curve))
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        monitor.attach(socket)
        try:
            socket.connect(address)
            yield monitor
        finally:
            monitor.detach()


def until(monitor: LinkMonitor, done: Callable[[], bool]) -> None:
    """Read events until `done`, or fail."""
    deadline = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < deadline, f"{monitor.state} {monitor.detail}"
        assert monitor.pair is not None
        monitor.pair.poll(20)
        monitor.read()


def reaches(monitor: LinkMonitor, state: LinkState) -> str:
    until(monitor, lambda: monitor.state is state)
    return monitor.detail


@contextmanager
def publisher(curve: CurveServer | None = None) -> Iterator[tuple[str, zmq.Socket[Any]]]:
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        configure(socket, SocketOptions(4, 65_536, 1024, curve=curve))
        yield f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}", socket


@contextmanager
def service(says: bytes = b"", hang_up: bool = False) -> Iterator[str]:
    """A TCP service that is no sender."""
    stop = threading.Event()
    taken: list[sockets.socket] = []
    with sockets.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.05)

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                if hang_up:
                    connection.close()
                    continue
                connection.sendall(says)
                taken.append(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()
            for connection in taken:
                connection.close()


def curve_keys() -> tuple[CurveServer, CurveClient]:
    public, secret = zmq.curve_keypair()
    own_public, own_secret = zmq.curve_keypair()
    return CurveServer(secret, public), CurveClient(own_secret, own_public, public)


def test_a_port_where_nobody_listens_refuses() -> None:
    with watching(free_address()) as monitor:
        assert reaches(monitor, LinkState.REFUSED) == "the connection is refused"
        assert not monitor.given_up, "libzmq goes on trying"
        assert not monitor.ever_up


def test_a_sender_is_up_then_closed_then_refused_and_up_again() -> None:
    with zmq.Context() as context:
        address = free_address()
        with watching(address) as monitor:
            for _ in range(2):
                with context.socket(zmq.XPUB) as socket:
                    socket.bind(address)
                    reaches(monitor, LinkState.UP)
                    assert monitor.ever_up
                reaches(monitor, LinkState.REFUSED)


def test_a_service_that_says_nothing_is_no_sender() -> None:
    with service() as address, watching(address) as monitor:
        reaches(monitor, LinkState.HANDSHAKING)
        assert "another service" in reaches(monitor, LinkState.PROTOCOL_REFUSED)


def test_a_service_that_greets_with_text_never_shakes_hands() -> None:
    with service(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n") as address, watching(address) as monitor:
        reaches(monitor, LinkState.HANDSHAKING)
        until(monitor, lambda: monitor.age_s > 0.3 or monitor.state is LinkState.PROTOCOL_REFUSED)
        assert monitor.state is not LinkState.UP
        assert not monitor.ever_up


def test_a_service_that_hangs_up_is_no_sender() -> None:
    with service(hang_up=True) as address, watching(address) as monitor:
        assert "during the handshake" in reaches(monitor, LinkState.PROTOCOL_REFUSED)


def test_a_key_that_the_sender_does_not_know_is_refused_for_good() -> None:
    server, client = curve_keys()
    with publisher(server) as (address, socket), socket.context.socket(zmq.REP) as zap:
        zap.bind("inproc://zeromq.zap.01")
        with watching(address, client) as monitor:
            assert zap.poll(int(WAIT_S * 1000))
            version, request, *_ = zap.recv_multipart()
            zap.send_multipart([version, request, b"400", b"unknown", b"", b""])
            assert reaches(monitor, LinkState.KEY_REFUSED) == "the sender does not know this key"
            until(monitor, lambda: monitor.given_up)


def test_a_sender_with_another_key_than_the_pinned_one_is_a_refused_key() -> None:
    server, _ = curve_keys()
    _, stranger = curve_keys()
    with publisher(server) as (address, _), watching(address, stranger) as monitor:
        assert "check --server-key" in reaches(monitor, LinkState.KEY_REFUSED)


def test_a_sender_that_says_it_uses_no_keys_is_given_up() -> None:
    _, client = curve_keys()
    with service(greeting(b"NULL")) as address, watching(address, client) as monitor:
        assert reaches(monitor, LinkState.KEY_REFUSED) == "the sender uses no keys"
        until(monitor, lambda: monitor.given_up)


def test_a_sender_without_keys_is_told_whichever_end_hangs_up_first() -> None:
    _, client = curve_keys()
    with publisher() as (address, _), watching(address, client) as monitor:
        assert "the sender uses no keys" in reaches(monitor, LinkState.KEY_REFUSED)


def test_a_sender_that_says_it_requires_a_key_is_told() -> None:
    with service(greeting(b"CURVE")) as address, watching(address) as monitor:
        assert "the sender requires a key" in reaches(monitor, LinkState.KEY_REFUSED)


def test_a_sender_with_keys_is_told_whichever_end_hangs_up_first() -> None:
    server, _ = curve_keys()
    ends = LinkState.KEY_REFUSED, LinkState.PROTOCOL_REFUSED
    with publisher(server) as (address, _), watching(address) as monitor:
        until(monitor, lambda: monitor.state in ends)
        assert "the sender requires a key" in monitor.detail


def test_a_message_above_the_limit_ends_the_session_for_good() -> None:
    with publisher() as (address, socket), watching(address) as monitor:
        reaches(monitor, LinkState.UP)
        assert socket.poll(int(WAIT_S * 1000))  # the subscription
        socket.recv()
        socket.send(bytes(2 << 20))
        reaches(monitor, LinkState.CLOSED)
        until(monitor, lambda: monitor.given_up)
        until(monitor, lambda: "longer than limits.max_packet_bytes" in monitor.detail)


def test_a_failure_stands_while_libzmq_tries_again() -> None:
    with service(hang_up=True) as address, watching(address) as monitor:
        reaches(monitor, LinkState.PROTOCOL_REFUSED)
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            assert monitor.pair is not None
            monitor.pair.poll(10)
            monitor.read()
            assert monitor.state is LinkState.PROTOCOL_REFUSED


def test_letting_go_twice_does_no_harm() -> None:
    with watching(free_address()) as monitor:
        monitor.detach()
        monitor.detach()
        assert not monitor.read()
