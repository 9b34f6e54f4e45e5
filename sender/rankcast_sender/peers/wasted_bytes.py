"""WastedBytes: what the connections of an address have cost that were closed for sending too much.

Without keys, a peer that was cut off connects again at once, and each time may send what is allowed
before it is cut off again. With keys, its key is refused.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

MAX_BYTES: Final = 262_144
"""An address that has wasted more gets no new connections until enough is forgotten."""
FORGOTTEN_BYTES_S: Final = 32_768
MOST_S: Final = 60.0
"""However much it was, all is forgotten by then."""
MAX_ADDRESSES: Final = 4096
"""Most addresses remembered; the one that wasted least recently is forgotten first."""


class WastedBytes:
    """A leaky bucket for each address; any thread may use it."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._wasted: dict[str, tuple[float, float]] = {}
        """Bytes of each address at a time, and that time."""

    def add(self, address: str, size: int) -> None:
        """Note that a connection was closed which had sent so many bytes too many."""
        with self._lock:
            left = self._left(address) + size
            # Put at the end, so that the order is that of the last cuts.
            self._wasted.pop(address, None)
            self._wasted[address] = min(left, MOST_S * FORGOTTEN_BYTES_S), self._now_s()
            if len(self._wasted) > MAX_ADDRESSES:
                del self._wasted[next(iter(self._wasted))]

    def is_too_much(self, address: str) -> bool:
        """Return True if new connections of an address are to be refused."""
        with self._lock:
            return self._left(address) > MAX_BYTES

    def _left(self, address: str) -> float:
        size, at_s = self._wasted.get(address, (0.0, 0.0))
        return max(0.0, size - (self._now_s() - at_s) * FORGOTTEN_BYTES_S)
