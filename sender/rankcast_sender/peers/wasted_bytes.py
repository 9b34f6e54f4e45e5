"""WastedBytes: which addresses have to wait before they connect again.

Without keys, a peer that was cut off connects again at once, and each time may send what is allowed
before it is cut off again. With keys, its key is refused.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rankcast_sender.peers.rate_limit import RateLimit

MAX_BYTES: Final = 262_144
"""An address that has wasted more gets no new connections until enough is forgotten, and then at a
pace."""
FORGOTTEN_BYTES_S: Final = 32_768
FIRST_S: Final = 60.0
MOST_S: Final = 600.0
"""However much it was, all is forgotten by then: after a minute the first time, and after twice as
long whenever it begins again too soon."""
AGAIN_S: Final = 1.0
AGAIN_AT_ONCE: Final = 4
"""An address that had to wait may open one connection in this time, and a few at once: a crowd that
comes back together costs as much as the first time."""
MAX_ADDRESSES: Final = 4096
"""Most addresses remembered; the one that wasted least recently is forgotten first."""


@dataclass(slots=True)
class _Account:
    """What an address has wasted."""

    bytes: float
    at_s: float
    """Time of `bytes`."""
    all_s: float = FIRST_S
    """Time in which all of it is forgotten."""
    until_s: float = -MOST_S
    """All of the latest flood is forgotten by then, or before."""

    def left(self, now_s: float) -> float:
        rate = FORGOTTEN_BYTES_S * FIRST_S / self.all_s
        return max(0.0, self.bytes - (now_s - self.at_s) * rate)


class WastedBytes:
    """A leaky bucket for each address; any thread may use it."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._accounts: dict[str, _Account] = {}
        self._again = RateLimit[str](1 / AGAIN_S, AGAIN_AT_ONCE, now_s)

    def add(self, address: str, size: int) -> None:
        """Note that so many bytes were wasted."""
        if not size:
            return
        with self._lock:
            now_s = self._now_s()
            # Put at the end, so that the order is that of the last waste.
            account = self._accounts.pop(address, None) or _Account(0.0, now_s)
            self._accounts[address] = account
            before = account.left(now_s)
            if before <= MAX_BYTES < before + size:
                again = now_s < account.until_s + account.all_s
                account.all_s = min(MOST_S, 2 * account.all_s) if again else FIRST_S
            account.bytes = min(before + size, FIRST_S * FORGOTTEN_BYTES_S)
            account.at_s = now_s
            if account.bytes > MAX_BYTES:
                account.until_s = now_s + account.all_s
            if len(self._accounts) > MAX_ADDRESSES:
                del self._accounts[next(iter(self._accounts))]

    def admits(self, address: str) -> bool:
        """Return True if an address may have one more connection now."""
        with self._lock:
            now_s, account = self._now_s(), self._accounts.get(address)
            if account is None or now_s >= account.until_s + account.all_s:
                return True
            return account.left(now_s) <= MAX_BYTES and self._again.take(address)

    def is_too_much(self, address: str) -> bool:
        """Return True if new connections of an address are to be refused."""
        with self._lock:
            account = self._accounts.get(address)
            return account is not None and account.left(self._now_s()) > MAX_BYTES
