"""TcpConnection: a connection of libzmq as the kernel sees it, and the scissors that end one."""

from __future__ import annotations

import errno
import os
import socket
import threading
from typing import Final, NamedTuple

from rankcast.net import borrowed, received_bytes

CAN_CUT: Final = os.name == "posix"
"""Elsewhere a socket is no file descriptor."""
_GONE: Final = frozenset(
    {errno.EBADF, errno.ENOTSOCK, errno.ENOTCONN, errno.EOPNOTSUPP, errno.ENOPROTOOPT}
)
"""The descriptor was closed, is something else now, or its connection has ended."""


class TcpConnection(NamedTuple):
    """A connection that was accepted at a port of this process."""

    peer: tuple[str, int]
    """Address and port of the other end: who has a descriptor that may be used again."""
    received: int
    """Bytes so far."""


def connection_of(descriptor: int, port: int) -> TcpConnection | None:
    """Return the connection accepted at `port` with this descriptor; None if it is gone.

    Raises
    ------
    OSError
        If the system cannot tell at the moment.
    """
    try:
        with borrowed(descriptor) as connection:
            if not _is_accepted(connection, port):
                return None
            # The number of bytes first: the peer then says that it was still the same connection.
            received = received_bytes(connection)
            return TcpConnection(connection.getpeername()[:2], received)
    except OSError as exc:
        if exc.errno in _GONE:
            return None
        raise


class Scissors:
    """Shuts down connections of libzmq, also when the process has no descriptor left.

    libzmq may close a descriptor at any time, and the system may use its number again. So a
    duplicate is made, which stays what it was when it was checked. Its place is kept free.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            self._spare = os.open(os.devnull, os.O_RDONLY)
        except OSError:
            os.close(self._nothing)
            raise
        self._closed = False

    def cut(
        self, descriptor: int, port: int, peer: tuple[str, int] | None = None
    ) -> tuple[str, int] | None:
        """Shut down the connection accepted at `port` with this descriptor.

        Parameters
        ----------
        descriptor, port : int
        peer : tuple of str and int, optional
            Other end of the connection; None shuts down whichever has the descriptor.

        Returns
        -------
        tuple of str and int, or None
            Its other end; None if there is no such connection.
        """
        with self._lock:
            if self._closed:
                return None
            try:
                os.dup2(descriptor, self._spare, inheritable=False)
                with borrowed(self._spare) as connection:
                    if not _is_accepted(connection, port):
                        return None
                    # Fails for the socket that listens.
                    found: tuple[str, int] = connection.getpeername()[:2]
                    if peer not in (None, found):
                        return None
                    connection.shutdown(socket.SHUT_RDWR)
                    return found
            except OSError:  # closed, or ended
                return None
            finally:
                os.dup2(self._nothing, self._spare, inheritable=False)

    def close(self) -> None:
        """Give the place up; may be called twice. Nothing is cut afterwards."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._spare)
                os.close(self._nothing)


def _is_accepted(connection: socket.socket, port: int) -> bool:
    name = connection.getsockname()
    # Other families have no ports: a name of theirs is a text or bytes.
    return isinstance(name, tuple) and len(name) >= 2 and name[1] == port
