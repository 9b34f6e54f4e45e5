"""A peer that binds, completes the handshake of ZMTP 3.1 by itself, and says anything."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from support.raw_zmtp import GREETING, WAIT_S, ready


class RawConnection:
    """A connection that a receiver has made, after the handshake and its first messages."""

    def __init__(self, peer: socket.socket, kind: str) -> None:
        self.socket = peer
        peer.settimeout(WAIT_S)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sendall(GREETING)
        got = b""
        while len(got) < len(GREETING):
            part = peer.recv(len(GREETING) - len(got))
            if not part:
                raise ConnectionError("the receiver hung up during the greeting")
            got += part
        peer.sendall(ready(kind))
        if not peer.recv(4096):
            raise ConnectionError("the receiver hung up during the handshake")

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


@contextmanager
def raw_sender(
    kind: str, talk: Callable[[RawConnection, int], None], port: int = 0
) -> Iterator[int]:
    """Serve every connection by `talk`, which also gets its number; yield the port.

    Parameters
    ----------
    kind : str
        Type of socket that the peer claims to be: XPUB or ROUTER.
    talk : callable
        Its OSErrors end the connection.
    port : int
        0: any.
    """
    with socket.create_server(("127.0.0.1", port)) as listener:

        def serve() -> None:
            number = 0
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer, suppress(OSError):  # the receiver closed it
                    talk(RawConnection(peer, kind), number)
                number += 1

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(2 * WAIT_S)
