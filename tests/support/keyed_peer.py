"""KeyedPeer: a viewer with a key that speaks ZMTP byte by byte, without libzmq."""

from __future__ import annotations

import socket
import struct

from fuzz.zmtp.attack import expect, receive
from fuzz.zmtp.curve import CurveClient
from fuzz.zmtp.frames import GREETING_BYTES, greeting, metadata
from rankcast.net import CurveClient as Keys

WAIT_S = 5.0


class KeyedPeer:
    """A connection whose key was accepted.

    Parameters
    ----------
    port : int
        Loopback port of the frames.
    keys : rankcast.net.CurveClient
    """

    def __init__(self, port: int, keys: Keys) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), WAIT_S)
        try:
            self._shake_hands(keys)
        except BaseException:
            self.socket.close()
            raise

    def _shake_hands(self, keys: Keys) -> None:
        link = self.socket
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(greeting(b"CURVE"))
        receive(link, GREETING_BYTES)
        client = CurveClient(keys.secret, keys.server_public)
        link.sendall(client.hello())
        properties = metadata([(b"Socket-Type", b"XSUB"), (b"Identity", b"")])
        last, self._session = client.initiate(expect(link, b"WELCOME"), properties)
        link.sendall(last)
        expect(link, b"READY")

    def send(self, *bodies: bytes) -> None:
        """Send messages of one part each, at once."""
        self.socket.sendall(b"".join(self._session.seal(body) for body in bodies))

    def received_bytes(self, wait_s: float) -> int:
        """Return how many bytes arrive until none has for so long."""
        self.socket.settimeout(wait_s)
        count = 0
        try:
            while part := self.socket.recv(65_536):
                count += len(part)
        except TimeoutError:
            pass
        return count

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
