"""FloodGuard: notices a peer that sends more than this end can take in."""

from __future__ import annotations

import ctypes
import mmap
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from rankcast.net.traffic import HAS_TCP_INFO, borrowed, message_bytes, received_bytes

MAX_UNREAD_BYTES: Final = 16 << 20
"""Most bytes, beyond one message of the largest size, that may wait unread in libzmq."""
MESSAGES_IN_BYTES: Final = 32
"""Bytes a second are limited to this many messages of the largest size: pictures of the largest
size at the rate of a camera."""
LEAST_BYTES_S: Final = 256 << 20
UNREAD_INTERVAL_S: Final = 0.01
"""Shortest time between two looks at the TCP socket and the memory, which take 20 us."""
SMALL_UNREAD_BYTES: Final = 1 << 20
MOST_GROWTH: Final = 8
GROWTH_BYTES: Final = 64 << 20
"""A message of many small parts cannot be read before its end, and takes up to 32 times its size.
While more than 1 MiB waits, the process may grow by 8 times what waits, and by 64 MiB for others
of its threads."""
_PAGE_BYTES: Final = mmap.PAGESIZE


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
        self._now_s = now_s
        self.restart()

    def restart(self) -> None:
        """Reset all counts, because the connection has ended."""
        self._filled_s = self._next_unread_s = self._now_s()
        self._messages = float(self._max_messages_s)
        self._bytes = float(self._max_bytes_s)
        self._wire_bytes = self._count = self._looked_count = 0
        self._resident = _resident_bytes()
        self.waits = False
        """True while much waits unread: look again soon."""
        self.watch(None)

    def watch(self, descriptor: int | None) -> None:
        """Compare what is read from now on with the TCP socket behind it."""
        self._descriptor, self._inode = descriptor, _inode(descriptor)

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
        """Judge what waits by the memory that it takes."""
        if self._descriptor is None:
            return ""
        resident = _resident_bytes()
        self.waits = unread >= SMALL_UNREAD_BYTES
        if not self.waits or self._count != self._looked_count:
            # What waits can be read: it is not the reason why the process grows.
            self._resident, self._looked_count = resident, self._count
        elif resident - self._resident > MOST_GROWTH * unread + GROWTH_BYTES:
            return "parts of a message without an end"
        return ""

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
        return 0 if received is None else received - self._wire_bytes


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


def _resident_bytes() -> int:
    """Return the memory of this process; 0 if the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0


def _received_bytes(descriptor: int) -> int | None:
    """Return how many bytes a TCP socket has received; None if the system does not tell."""
    with suppress(OSError), borrowed(descriptor) as connection:
        return received_bytes(connection)
    return None
