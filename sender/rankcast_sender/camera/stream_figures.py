"""StreamFigures: size, rate and fidelity of the packets of one stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from rankcast.numerics import Buckets, Fidelity, Histogram
from rankcast.wire import Header

RATE_INTERVAL_S: Final = 0.5
"""Shortest interval for a rate: a joining viewer triggers a status at any moment."""

SIZE_BOUNDS_BYTES: Final = tuple(1000 * size for size in (
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000,
))  # fmt: skip
"""Bounds of the sizes that are counted."""


@dataclass(frozen=True, slots=True)
class RecentFigures:
    """Figures of the last status interval."""

    fps: float = 0.0
    fidelity: Mapping[str, float | int] = field(default_factory=dict)
    """Fidelity of the last interval that contained any frames."""


class StreamFigures:
    """Totals of all packets, and rates since the last status; any thread may call it."""

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._packet_bytes = 0
        self.packet_sizes = Buckets(SIZE_BOUNDS_BYTES)
        """Bytes of all packets."""
        self.encode_times = Histogram()
        """Of all packets; the encode thread adds to it."""
        self.fidelity = Fidelity()
        """Rank, energy and error of all packets."""
        self._interval = Fidelity()
        self._since_s = now_s()
        self._published_before = 0
        self._recent = RecentFigures()

    @property
    def packet_bytes(self) -> int:
        """Size of all packets together."""
        return self._packet_bytes

    def add(self, packet_bytes: int, header: Header) -> None:
        """Count one packet that was handed to the socket."""
        with self._lock:
            self._packet_bytes += packet_bytes
            self.packet_sizes.add(packet_bytes)
            for fidelity in (self.fidelity, self._interval):
                fidelity.add(header.rank, header.energy, header.psnr_db)

    def recent(self, published: int) -> RecentFigures:
        """Return the figures of the last interval, given the frames `published` so far."""
        with self._lock:
            now_s = self._now_s()
            elapsed_s = now_s - self._since_s
            if elapsed_s < RATE_INTERVAL_S:
                return self._recent
            fidelity = self._recent.fidelity
            if self._interval.frames:
                values, self._interval = self._interval.values(), Fidelity()
                fidelity = {name: value for name, value in values.items() if value is not None}
            fps = (published - self._published_before) / elapsed_s if elapsed_s else 0.0
            self._recent = RecentFigures(fps, fidelity)
            self._since_s, self._published_before = now_s, published
            return self._recent
