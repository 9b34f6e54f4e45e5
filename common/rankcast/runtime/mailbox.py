"""Mailbox: a bounded queue between two threads that counts the items it replaces."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class MailboxClosed(Exception):  # noqa: N818 - the normal end of a hand-over, not an error
    """The mailbox is closed and empty."""


class Mailbox(Generic[T]):
    """Hands items from one thread to another.

    Parameters
    ----------
    capacity : int
        Most queued items; only without `newest_wins`.
    newest_wins : bool
        True: one item per key is queued; a newer one replaces it, which `replaced` counts, so that
        cameras that share a mailbox do not displace each other. False: `put` blocks.
    """

    def __init__(self, capacity: int = 1, *, newest_wins: bool) -> None:
        self._capacity = capacity
        self._newest_wins = newest_wins
        self._items: deque[tuple[Hashable, T]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self.replaced = 0

    def put(self, item: T, key: Hashable = None) -> bool:
        """Add one item; return False if the mailbox is closed."""
        with self._changed:
            if self._newest_wins and not self._closed:
                for index, (waiting, _) in enumerate(self._items):
                    if waiting == key:
                        del self._items[index]
                        self.replaced += 1
                        break
            else:
                self._changed.wait_for(lambda: self._closed or len(self._items) < self._capacity)
            if self._closed:
                return False
            self._items.append((key, item))
            self._changed.notify_all()
            return True

    def get(self, timeout_s: float | None = None) -> T | None:
        """Take the oldest item; None if none arrives within `timeout_s`.

        Raises
        ------
        MailboxClosed
            If the mailbox is closed and empty.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while not self._items:
                if self._closed:
                    raise MailboxClosed
                remaining = None if deadline is None else deadline - time.monotonic()
                if remaining is not None and remaining <= 0:
                    return None
                self._changed.wait(remaining)
            _, item = self._items.popleft()
            self._changed.notify_all()
            return item

    def __iter__(self) -> Iterator[T]:
        """Yield items in order until the mailbox is closed and empty."""
        while True:
            try:
                item = self.get()
            except MailboxClosed:
                return
            if item is not None:
                yield item

    def close(self) -> None:
        """Reject further items; queued ones can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def discard(self) -> int:
        """Close, drop all queued items and return their number."""
        return len(self.drain())

    def drain(self) -> list[T]:
        """Close, and take all queued items."""
        with self._changed:
            self._closed = True
            left = [item for _, item in self._items]
            self._items.clear()
            self._changed.notify_all()
            return left

    def __len__(self) -> int:
        return len(self._items)
