"""What libzmq stores for a peer is told from what the program itself allocates."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import zmq

from rankcast.net import Link, LinkOptions, LinkState, SocketOptions, open_socket
from support.raw_sender import RawConnection, raw_sender
from support.raw_zmtp import PING, message

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counters of Linux")

WAIT_S = 30.0
PICTURE_BYTES = 20_000_000
MODEL_BYTES = 150_000_000
MAX_BYTES = 1 << 25


@contextmanager
def link_to(port: int) -> Iterator[Link]:
    with zmq.Context() as context:

        def make(_address: str, _number: int) -> zmq.Socket[bytes]:
            socket = open_socket(context, zmq.SUB, SocketOptions(0, 65_536, MAX_BYTES))
            socket.setsockopt(zmq.SUBSCRIBE, b"")
            return socket

        options = LinkOptions(60, 60, 20_000, MAX_BYTES)
        with closing(Link(f"tcp://127.0.0.1:{port}", make, options)) as link:
            yield link


def turns(link: Link) -> Iterator[None]:
    """Tick a hundred times a second, as a receiver does while much waits."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        link.tick()
        yield
        for socket in link.sockets:
            socket.poll(10)
    raise AssertionError(f"{link.state} {link.detail}")


def test_a_program_that_allocates_while_a_large_picture_arrives_slowly_cuts_nobody() -> None:
    allocated = threading.Event()

    def talk(connection: RawConnection, _: int) -> None:
        data = message(b"x" * PICTURE_BYTES)
        connection.send(data[: len(data) // 2])
        assert allocated.wait(WAIT_S)
        connection.send(data[len(data) // 2 :])
        connection.socket.recv(1)  # until the other end closes it

    with raw_sender("XPUB", talk) as port, link_to(port) as link:
        model, looks = b"", 0
        try:
            for _ in turns(link):
                if link.waits and not model:
                    model = b"\1" * MODEL_BYTES
                looks += bool(model)
                if looks == 10:
                    allocated.set()
                assert link.state is not LinkState.FLOODED, link.detail
                assert link.socket is not None
                if link.socket.poll(0):
                    break
        finally:
            allocated.set()
        assert link.socket is not None
        assert len(link.socket.recv()) == PICTURE_BYTES
        assert len(model) == MODEL_BYTES


def test_a_message_of_parts_without_an_end_is_cut_off() -> None:
    begun = threading.Event()

    def talk(connection: RawConnection, _: int) -> None:
        while not begun.wait(0.1):
            connection.send(PING)
        while True:
            connection.send(b"\1\0" * 100_000)

    with raw_sender("XPUB", talk) as port, link_to(port) as link:
        for _ in turns(link):
            if link.state is LinkState.UP:
                begun.set()
            if link.state is LinkState.FLOODED:
                break
        assert "parts of a message without an end" in link.detail
