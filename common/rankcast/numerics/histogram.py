"""Histogram: percentiles of durations over years of operation, in constant memory."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

# 64 bins per octave give 1.1 % resolution; 2^-4 ms to 2^24 ms is 60 us to 4.6 hours.
_BINS_PER_OCTAVE: Final = 64
_LOWEST: Final = -4
_OCTAVES: Final = 28


class Histogram:
    """Counts durations in logarithmic bins; for one thread at a time."""

    def __init__(self) -> None:
        self._counts = np.zeros(_OCTAVES * _BINS_PER_OCTAVE, np.int64)
        self._max_ms = 0.0

    def add(self, duration_ms: float) -> None:
        """Count one duration; negative ones (stepped clocks) count as the smallest."""
        position = 0.0
        if duration_ms > 0:
            position = (math.log2(duration_ms) - _LOWEST) * _BINS_PER_OCTAVE
        self._counts[min(max(int(position), 0), len(self._counts) - 1)] += 1
        self._max_ms = max(self._max_ms, duration_ms)

    def percentile_ms(self, percent: float) -> float | None:
        """Return a percentile of the durations, within 1.1 %; None if there are none."""
        total = int(self._counts.sum())
        if not total:
            return None
        rank = max(1, math.ceil(total * percent / 100))
        index = int(np.searchsorted(np.cumsum(self._counts), rank))
        middle = _LOWEST + (index + 0.5) / _BINS_PER_OCTAVE
        return float(min(2.0**middle, self._max_ms))

    @property
    def max_ms(self) -> float | None:
        """Exact longest duration; None if there are none."""
        return self._max_ms if self._counts.any() else None
