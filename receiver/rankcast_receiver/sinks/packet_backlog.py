"""PacketBacklog: packets that wait for a slow sink, bounded in number and in bytes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from rankcast.runtime import MailboxClosed

LIVE_PACKETS: Final = 256
"""Packets that wait for a slow sink in live mode. They depend on each other, so that the newest
one alone would be useless."""
LIVE_BYTES: Final = 128 * 1024 * 1024
"""The same bound in bytes: each packet keeps the whole message in memory."""

T = TypeVar("T")


class PacketBacklog(Generic[T]):
    """Hands items to another thread, as `Mailbox` does, and replaces the oldest ones when full.

    The newest item always has a place, however large it is.

    Parameters
    ----------
    size_bytes : callable
        Returns the size of an item.
    """

    def __init__(self, size_bytes: Callable[[T], int]) -> None:
        self._size_bytes = size_bytes
        self._waiting: deque[T] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closed = False
        self.replaced = 0

    def put(self, item: T) -> bool:
        """Add one item; return False when the backlog is closed."""
        with self._changed:
            if self._closed:
                return False
            self._waiting.append(item)
            self._bytes += self._size_bytes(item)
            while len(self._waiting) > 1 and self._exceeds_bounds():
                self._take_oldest()
                self.replaced += 1
            self._changed.notify_all()
            return True

    def get(self, timeout_s: float) -> T | None:
        """Take the oldest item; None when none arrived within `timeout_s`.

        Raises
        ------
        MailboxClosed
            If the backlog is closed and empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._waiting) > 0, timeout_s)
            if self._waiting:
                return self._take_oldest()
            if self._closed:
                raise MailboxClosed
            return None

    def close(self) -> None:
        """Refuse further items; waiting ones can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def discard(self) -> int:
        """Close, drop all waiting items and return their number."""
        with self._changed:
            self._closed = True
            dropped = len(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            self._changed.notify_all()
            return dropped

    def _exceeds_bounds(self) -> bool:
        return len(self._waiting) > LIVE_PACKETS or self._bytes > LIVE_BYTES

    def _take_oldest(self) -> T:
        item = self._waiting.popleft()
        self._bytes -= self._size_bytes(item)
        return item
