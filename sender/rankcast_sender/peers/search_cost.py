"""SearchCost: bounds what libzmq has to search because connections end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from rankcast_sender.peers.rate_limit import MAX_PEERS, RateLimit

MAX_BYTES: Final = 10_000_000
"""Topics that may be searched at once: one to two seconds of the thread that publishes, at 110 ns
a byte and more where they fill the caches (docs/adr/0014)."""
FORGOTTEN_BYTES_S: Final = 1_000_000
HIGH_S: Final = 10.0
"""How long the cost counts as too high, and how long somebody who had to wait is paced still."""
PACED_S: Final = 2.0
"""By then a pace has shown whether it helps: connections that were there before it may end."""
COMINGS: Final = 16
COMINGS_S: Final = 10.0
"""So many connections a key or address may open in this time while the cost is too high."""


class SearchCost:
    """A leaky bucket of bytes, and one of new connections for each key or address.

    libzmq searches the topics of all connections whenever one of them ends. Any thread may use it.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._comings = RateLimit[str](COMINGS / COMINGS_S, COMINGS, now_s)
        self._paced_until_s: dict[str, float] = {}
        """Of each that had to wait, the last one at the end."""
        self._bytes, self._at_s = 0.0, now_s()
        self._high_from_s = self._high_until_s = self._extreme_until_s = self._at_s

    def came(self, owner: str) -> bool:
        """Count a new connection; return False if it is one too many while the cost is high."""
        with self._lock:
            now_s = self._now_s()
            is_paced = now_s < max(self._high_until_s, self._paced_until_s.get(owner, 0.0))
            if self._comings.take(owner) or not is_paced:
                return True
            self._paced_until_s.pop(owner, None)
            self._paced_until_s[owner] = now_s + HIGH_S
            if len(self._paced_until_s) > MAX_PEERS:
                del self._paced_until_s[next(iter(self._paced_until_s))]
            return False

    def ended(self, topics_bytes: int) -> bool:
        """Count the end of a connection; return True if the cost becomes too high by it."""
        with self._lock:
            now_s = self._now_s()
            left = max(0.0, self._bytes - (now_s - self._at_s) * FORGOTTEN_BYTES_S)
            self._bytes, self._at_s = left + topics_bytes, now_s
            if self._bytes <= MAX_BYTES:
                return False
            self._bytes = 0.0
            was_high = now_s < self._high_until_s
            if not was_high:
                self._high_from_s = now_s
            self._high_until_s = now_s + HIGH_S
            if now_s > self._high_from_s + PACED_S:
                self._extreme_until_s = self._high_until_s
            return not was_high

    @property
    def is_extreme(self) -> bool:
        """Return True for some seconds after it became too high again in spite of the pace."""
        return self._now_s() < self._extreme_until_s
