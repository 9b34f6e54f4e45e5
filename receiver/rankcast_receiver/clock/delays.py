"""Delays: the latencies of one camera since the last report to its sender."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MAX_DELAYS: Final = 10_000
"""Most delays kept for one report, which covers a second."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Time from capture to decoding, and its error bound, in ms."""

    latency_ms: float
    error_ms: float


class Delays:
    """Queue of delays, filled by one thread and drained by another."""

    def __init__(self) -> None:
        # Appending and taking from a deque need no lock.
        self._waiting: deque[Delay] = deque(maxlen=MAX_DELAYS)

    def add(self, latency_ns: int, error_ns: int) -> None:
        """Add the delay of one frame."""
        self._waiting.append(Delay(latency_ns / 1e6, error_ns / 1e6))

    def take(self) -> Sequence[Delay]:
        """Return all delays added since the last call."""
        return [self._waiting.popleft() for _ in range(len(self._waiting))]
