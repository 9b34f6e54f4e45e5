"""FloodGuard: notices a peer that sends more than this end can take in."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from rankcast.net.io_memory import RECEIVED, IoMemory
from rankcast.net.traffic import HAS_TCP_INFO, borrowed, message_bytes, received_bytes

MAX_UNREAD_BYTES: Final = 16 << 20
"""Most bytes, beyond one message of the largest size, that may wait unread in libzmq."""
MESSAGES_IN_BYTES: Final = 32
"""Bytes a second are limited to this many messages of the largest size: pictures of the largest
size at the rate of a camera."""
LEAST_BYTES_S: Final = 256 << 20
UNREAD_INTERVAL_S: Final = 0.01
"""Shortest time between two looks at the TCP socket and the memory, which take 30 us."""
SMALL_UNREAD_BYTES: Final = 1 << 20
MOST_GROWTH: Final = 2
MOST_GROWTH_KEYS: Final = 8
GROWTH_BYTES: Final = 32 << 20
"""A message of many small parts cannot be read before its end, and takes up to 32 times its size.
While more than 1 MiB waits, the I/O threads of libzmq may take twice the bytes that have arrived
on all connections (8 times with keys, because they decrypt into further copies), and 32 MiB."""


class FloodGuard:
    """Counts what one connection delivers.

    Nothing limits the receive queue of libzmq (a limit would let a peer abort the process), so the
    socket must be read faster than the peer sends. Where that fails, the connection is to be
    closed, which discards the queue.

    Parameters
    ----------
    max_messages_s : int
        Most messages a second; as many may arrive at once.
    max_message_bytes : int
        Largest message that the socket accepts.
    keys : bool
        True if the socket uses CURVE.
    """

    def __init__(
        self,
        max_messages_s: int,
        max_message_bytes: int,
        *,
        keys: bool,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_messages_s = max_messages_s
        self._max_message_bytes = max_message_bytes
        self._max_bytes_s = max(LEAST_BYTES_S, MESSAGES_IN_BYTES * max_message_bytes)
        self._keys = keys
        self._most_growth = MOST_GROWTH_KEYS if keys else MOST_GROWTH
        self._now_s = now_s
        self.restart()

    def restart(self) -> None:
        """Reset all counts, because the connection has ended."""
        self._filled_s = self._next_unread_s = self._now_s()
        self._messages = float(self._max_messages_s)
        self._bytes = float(self._max_bytes_s)
        self._wire_bytes = self._count = self._looked_count = 0
        self._received = 0
        self.waits = False
        """True while much waits unread: look again soon."""
        self.watch(None)

    def watch(self, descriptor: int | None) -> None:
        """Compare what is read from now on with the TCP socket behind it."""
        self._descriptor, self._inode = descriptor, _inode(descriptor)
        self._memory: IoMemory | None = None if descriptor is None else IoMemory()
        self._taken_before = 0 if self._memory is None else self._memory.taken_bytes()
        self._received_before = RECEIVED.total
        self._exceeded = False

    def took(self, size: int) -> None:
        """Record a message that was read from the socket."""
        self._messages -= 1
        self._bytes -= size
        self._count += 1
        self._wire_bytes += message_bytes(size, keys=self._keys)

    def excess(self) -> str:
        """Return what exceeds its limit, as the end of "the sender sent"; empty if nothing does."""
        now_s = self._now_s()
        passed_s, self._filled_s = now_s - self._filled_s, now_s
        self._messages = min(self._messages, self._max_messages_s)
        self._bytes = min(self._bytes, self._max_bytes_s)
        if self._messages < 0:
            return self._too_many
        if self._bytes < 0:
            return f"more than {self._max_bytes_s >> 20} MiB a second"
        self._messages += passed_s * self._max_messages_s
        self._bytes += passed_s * self._max_bytes_s
        if now_s < self._next_unread_s:
            return ""
        self._next_unread_s = now_s + UNREAD_INTERVAL_S
        unread = self._unread_bytes()
        # A message takes 64 bytes in libzmq, however small it is.
        if self._count and unread * self._count > self._max_messages_s * self._wire_bytes:
            return self._too_many
        if unread > self._max_message_bytes + MAX_UNREAD_BYTES:
            return f"{unread >> 20} MiB more than could be read meanwhile"
        return self._parts(unread)

    def _parts(self, unread: int) -> str:
        """Judge what waits by the memory that libzmq takes."""
        memory = self._memory
        if memory is None or not memory.known:
            return ""
        taken, received = memory.taken_bytes(), RECEIVED.total
        self.waits = unread >= SMALL_UNREAD_BYTES
        if not self.waits or self._count != self._looked_count:
            # What waits can be read: it is not the reason why memory is taken.
            self._taken_before, self._received_before = taken, received
            self._looked_count, self._exceeded = self._count, False
            return ""
        arrived = received - self._received_before
        # Twice: other connections may not have said yet what they have received.
        before = self._exceeded
        self._exceeded = taken - self._taken_before > self._most_growth * arrived + GROWTH_BYTES
        return "parts of a message without an end" if before and self._exceeded else ""

    @property
    def _too_many(self) -> str:
        return f"more than {self._max_messages_s} messages a second (limits.max_messages_s)"

    def _unread_bytes(self) -> int:
        """Return the bytes that libzmq has taken from the connection and not handed over."""
        if self._descriptor is None:
            return 0
        if self._inode is None or _inode(self._descriptor) != self._inode:
            return 0  # closed, and perhaps reused by another file
        received = _received_bytes(self._descriptor)
        if received is None:
            return 0
        RECEIVED.add(received - self._received)
        self._received = received
        return received - self._wire_bytes


def return_memory() -> None:
    """Return freed memory to the system: glibc keeps what a flood has left behind."""
    if HAS_TCP_INFO:
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def _inode(descriptor: int | None) -> int | None:
    if descriptor is None or not HAS_TCP_INFO:
        return None
    try:
        return os.fstat(descriptor).st_ino
    except OSError:
        return None


def _received_bytes(descriptor: int) -> int | None:
    """Return how many bytes a TCP socket has received; None if the system does not tell."""
    with suppress(OSError), borrowed(descriptor) as connection:
        return received_bytes(connection)
    return None
