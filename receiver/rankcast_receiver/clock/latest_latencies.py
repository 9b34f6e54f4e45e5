"""LatestLatencies: how long after its capture the latest pictures of a camera were ready."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from rankcast_receiver.clock.sender_clock import MOST_ERROR_NS

MOST_LATENCIES: Final = 300


@dataclass(frozen=True, slots=True)
class Latency:
    """Time from capture until pictures were ready, in ms."""

    p50: float
    p99: float


class LatestLatencies:
    """Filled by one thread, read by any."""

    def __init__(self) -> None:
        self._times_ms: deque[float] = deque(maxlen=MOST_LATENCIES)

    def add(self, latency_ns: int, error_ns: int) -> None:
        """Add that of one picture, unless its error says nothing."""
        if error_ns <= MOST_ERROR_NS:
            self._times_ms.append(latency_ns / 1e6)

    def clear(self) -> None:
        """Forget all: what is ready means something else from now on."""
        self._times_ms.clear()

    @property
    def latency(self) -> Latency | None:
        """Of the latest pictures; None while it is unknown."""
        times = sorted(self._times_ms)
        if not times:
            return None
        return Latency(times[len(times) // 2], times[min(len(times) - 1, len(times) * 99 // 100)])
