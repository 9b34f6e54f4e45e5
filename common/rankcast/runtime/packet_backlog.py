"""PacketBacklog: packets that wait for a slow sink, bounded in number and in bytes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from rankcast.runtime.mailbox import MailboxClosed

LIVE_PACKETS: Final = 256
"""Packets that wait for a slow sink. They depend on each other, so that the newest
one alone would be useless."""
LIVE_BYTES: Final = 128 * 1024 * 1024
"""The same bound in bytes: each packet keeps the whole message in memory."""

T = TypeVar("T")


class PacketBacklog(Generic[T]):
    """Hands items to another thread, as `Mailbox` does, bounded in number and in bytes.

    The newest item always has a place, however large it is.

    Parameters
    ----------
    size_bytes : callable
        Returns the size of an item.
    counts : callable, optional
        Returns how many frames an item is, for `replaced` and `discard`: 1 by default.
    blocks : bool
        True: `put` waits while the backlog is full. False: the oldest items are replaced.
    on_replaced : callable, optional
        Called with each item that is replaced, in the thread of `put`.
    """

    def __init__(
        self,
        size_bytes: Callable[[T], int],
        *,
        counts: Callable[[T], int] = lambda _: 1,
        blocks: bool = False,
        on_replaced: Callable[[T], object] = lambda _: None,
    ) -> None:
        self._size_bytes = size_bytes
        self._counts = counts
        self._blocks = blocks
        self._on_replaced = on_replaced
        self._waiting: deque[T] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closed = False
        self.replaced = 0

    def put(self, item: T) -> bool:
        """Add one item; return False when the backlog is closed."""
        with self._changed:
            if self._blocks:
                self._changed.wait_for(lambda: self._closed or not self._is_full())
            if self._closed:
                return False
            self._waiting.append(item)
            self._bytes += self._size_bytes(item)
            while not self._blocks and len(self._waiting) > 1 and self._exceeds_bounds():
                oldest = self._take_oldest()
                self.replaced += self._counts(oldest)
                self._on_replaced(oldest)
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
                oldest = self._take_oldest()
                self._changed.notify_all()
                return oldest
            if self._closed:
                raise MailboxClosed
            return None

    @property
    def waiting_bytes(self) -> int:
        """Size of the items that wait."""
        return self._bytes

    def close(self) -> None:
        """Refuse further items; waiting ones can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def discard(self) -> int:
        """Close, drop all waiting items and return how many frames they are."""
        with self._changed:
            self._closed = True
            dropped = sum(map(self._counts, self._waiting))
            self._waiting.clear()
            self._bytes = 0
            self._changed.notify_all()
            return dropped

    def _is_full(self) -> bool:
        return len(self._waiting) >= LIVE_PACKETS or self._bytes >= LIVE_BYTES

    def _exceeds_bounds(self) -> bool:
        return len(self._waiting) > LIVE_PACKETS or self._bytes > LIVE_BYTES

    def _take_oldest(self) -> T:
        item = self._waiting.popleft()
        self._bytes -= self._size_bytes(item)
        return item
