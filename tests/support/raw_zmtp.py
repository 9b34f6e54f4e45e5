"""RawPeer: a peer that speaks ZMTP 3.1 byte by byte, without libzmq and without keys."""

from __future__ import annotations

import socket
import struct

WAIT_S = 5.0
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
PING = b"\x04\x07\x04PING\0\0"


def message(body: bytes) -> bytes:
    """Return a message of one part as it is on the wire."""
    if len(body) < 256:
        return struct.pack("BB", 0, len(body)) + body
    return struct.pack(">BQ", 2, len(body)) + body


class RawPeer:
    """A connection that has completed its handshake.

    Parameters
    ----------
    port : int
        Loopback port.
    kind : str
        Type of socket that the peer claims to be: SUB or DEALER.
    routing_id : bytes
        The one that it claims; empty leaves it to the other end.
    source : str
        Loopback address that it comes from.
    """

    def __init__(
        self, port: int, kind: str, routing_id: bytes = b"", source: str = "127.0.0.1"
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), WAIT_S, (source, 0))
        try:
            self._shake_hands(kind, routing_id)
        except BaseException:
            self.socket.close()
            raise

    def _shake_hands(self, kind: str, routing_id: bytes) -> None:
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(GREETING)
        got = b""
        while len(got) < len(GREETING):
            part = self.socket.recv(len(GREETING) - len(got))
            assert part, "the other end hung up during the greeting"
            got += part
        self.socket.sendall(ready(kind, routing_id))
        assert self.socket.recv(1024), "the other end hung up during the handshake"

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def ready(kind: str, routing_id: bytes = b"") -> bytes:
    """Return the READY command of a socket of this type, which claims a routing id."""
    properties = _property(b"Socket-Type", kind.encode()) + _property(b"Identity", routing_id)
    body = b"\x05READY" + properties
    return struct.pack("BB", 4, len(body)) + body


def _property(name: bytes, value: bytes = b"") -> bytes:
    return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value
