"""Wakeup: interrupts the poll of another thread."""

from __future__ import annotations

import socket
import threading
from types import TracebackType


class Wakeup:
    """A socket pair that a poller watches together with its ZeroMQ sockets.

    ZeroMQ sockets must not be used from another thread; a poller accepts a plain descriptor too.
    Several calls of `ring` before `answer` count as one.
    """

    def __init__(self) -> None:
        # Otherwise a ring could reach a descriptor that was closed and reused meanwhile.
        self._lock = threading.Lock()
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)

    def ring(self) -> None:
        """Wake the polling thread; safe from any thread, and after `close`."""
        with self._lock:
            try:
                self._write.send(b"\0")
            except OSError:
                return  # full: the poll ends anyway; closed: the thread has ended

    def fileno(self) -> int:
        """Return the descriptor that is readable after a ring; -1 after `close`."""
        return self._read.fileno()

    def answer(self) -> None:
        """Clear all rings so far; the polling thread calls it before it checks for work."""
        try:
            while self._read.recv(4096):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Release both sockets; may be called twice."""
        with self._lock:
            self._write.close()
            self._read.close()

    def __enter__(self) -> Wakeup:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
