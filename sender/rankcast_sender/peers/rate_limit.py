"""Limits on the messages of a peer: a steady rate, and bursts."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

MAX_PEERS: Final = 4096
"""Most peers remembered; beyond it, those that have been quiet for longest are forgotten."""


class RateLimit(Generic[K]):
    """Token buckets, one for each peer.

    Parameters
    ----------
    rate_s : float
        Messages a second that a peer may send for ever.
    burst : float
        Messages that a peer that was quiet may send at once.
    """

    def __init__(
        self, rate_s: float, burst: float, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate_s = rate_s
        self._burst = burst
        self._now_s = now_s
        self._left: dict[K, tuple[float, float]] = {}
        """Messages that a peer may send at the time of its last one, and that time."""

    def take(self, peer: K) -> bool:
        """Count one message of `peer`; return False if it exceeds the limit."""
        left, now_s = self._left_now(peer)
        allowed = left >= 1.0
        self._keep(peer, left - 1.0 if allowed else left, now_s)
        return allowed

    def charge(self, peer: K, amount: float) -> None:
        """Count what `take` let pass as more than one, once it is known; the rest is owed."""
        left, now_s = self._left_now(peer)
        self._keep(peer, left - amount, now_s)

    def _left_now(self, peer: K) -> tuple[float, float]:
        now_s = self._now_s()
        # Taken out and put back, so that the order is that of the last messages.
        left, at_s = self._left.pop(peer, (self._burst, now_s))
        return min(self._burst, left + (now_s - at_s) * self._rate_s), now_s

    def _keep(self, peer: K, left: float, now_s: float) -> None:
        self._left[peer] = (left, now_s)
        if len(self._left) > MAX_PEERS:
            del self._left[next(iter(self._left))]
