"""Wakeup: what a thread that polls ZeroMQ sockets is woken by from other threads."""

from __future__ import annotations

import socket
from types import TracebackType


class Wakeup:
    """A pair of sockets: whoever rings makes the poller of another thread return.

    ZeroMQ sockets may not be used from there, and a poller takes a plain descriptor too. Any number
    of rings that were not answered yet are one.
    """

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)

    def ring(self) -> None:
        """Wake the thread; may be called from any thread, and after `close`."""
        try:
            self._write.send(b"\0")
        except (BlockingIOError, OSError):
            return  # full: it wakes anyway; closed: it has ended

    def fileno(self) -> int:
        """Descriptor that is readable once somebody rang."""
        return self._read.fileno()

    def answer(self) -> None:
        """Take all rings so far; called by the thread that was woken, before it looks why."""
        try:
            while self._read.recv(4096):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Release both sockets, once that thread has ended; may be called twice."""
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
