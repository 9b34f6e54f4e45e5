"""Traffic: what a connection has received, and what messages take on the wire."""

from __future__ import annotations

import socket

import pytest
import zmq

from rankcast.net import CurveClient, SocketOptions, borrowed, configure, message_bytes
from rankcast.net import received_bytes as bytes_of


def test_a_borrowed_descriptor_stays_open_and_its_bytes_are_counted() -> None:
    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6) as listener,
        socket.create_connection(listener.getsockname()[:2]) as ours,
        listener.accept()[0] as theirs,
    ):
        for count in range(3):
            with borrowed(theirs.fileno()) as connection:
                assert bytes_of(connection) == 10 * count
                assert connection.getpeername() == ours.getsockname()
            ours.sendall(b"x" * 10)
            theirs.recv(10)
    with pytest.raises(OSError, match="descriptor"), borrowed(10_000):
        pass


@pytest.mark.parametrize("keys", [False, True])
def test_the_bytes_of_messages_are_those_on_the_wire(keys: bool) -> None:
    with zmq.Context() as context, context.socket(zmq.PULL) as pull:
        server_public, server_secret = zmq.curve_keypair()
        public, secret = zmq.curve_keypair()
        if keys:
            pull.curve_server, pull.curve_secretkey = True, server_secret
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        with context.socket(zmq.PUSH) as push:
            curve = CurveClient(secret, public, server_public) if keys else None
            configure(push, SocketOptions(1000, 65536, 1 << 20, curve=curve))
            push.connect(f"tcp://127.0.0.1:{port}")
            before = None
            for size in (0, 1, 221, 222, 223, 254, 255, 256, 5000):
                push.send(bytes(size))
                frame = pull.recv(copy=False)
                with borrowed(int(frame.get(zmq.SRCFD))) as connection:
                    received = bytes_of(connection)
                if before is not None:
                    assert received - before == message_bytes(size, keys=keys)
                before = received
