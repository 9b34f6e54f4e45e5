"""Histogram: percentiles of durations over years of operation, in constant memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

# 64 bins per octave give 1.1 % resolution; 2^-4 ms to 2^24 ms is 60 us to 4.6 hours.
_BINS_PER_OCTAVE: Final = 64
_LOWEST: Final = -4
_OCTAVES: Final = 28


class Histogram:
    """Counts durations in logarithmic bins; for one thread at a time."""

    def __init__(self) -> None:
        self._counts = np.zeros(_OCTAVES * _BINS_PER_OCTAVE, np.int64)
        self._max_ms = self._sum_ms = 0.0

    def add(self, duration_ms: float) -> None:
        """Count one duration; negative ones (stepped clocks) count as the smallest."""
        position = 0.0
        if duration_ms > 0:
            position = (math.log2(duration_ms) - _LOWEST) * _BINS_PER_OCTAVE
        self._counts[min(max(int(position), 0), len(self._counts) - 1)] += 1
        self._max_ms = max(self._max_ms, duration_ms)
        self._sum_ms += max(0.0, duration_ms)

    def percentile_ms(self, percent: float) -> float | None:
        """Return a percentile of the durations, within 1.1 %; None if there are none."""
        total = int(self._counts.sum())
        if not total:
            return None
        rank = max(1, math.ceil(total * percent / 100))
        index = int(np.searchsorted(np.cumsum(self._counts), rank))
        middle = _LOWEST + (index + 0.5) / _BINS_PER_OCTAVE
        return float(min(2.0**middle, self._max_ms))

    def up_to(self, bounds_ms: Sequence[float]) -> list[int]:
        """Return how many durations are at most each bound, within 1.1 % of it, and all of them.

        Any thread may call it.
        """
        sums = np.cumsum(self._counts)  # a copy: durations may be added meanwhile
        return [*sums[_last_bins(tuple(bounds_ms))].tolist(), int(sums[-1])]

    @property
    def sum_ms(self) -> float:
        """Sum of the durations."""
        return self._sum_ms

    @property
    def max_ms(self) -> float | None:
        """Exact longest duration; None if there are none."""
        return self._max_ms if self._counts.any() else None


@cache
def _last_bins(bounds_ms: tuple[float, ...]) -> npt.NDArray[np.int64]:
    """Return the last bin of each bound: the one that ends nearest to it."""
    ends = [(math.log2(bound) - _LOWEST) * _BINS_PER_OCTAVE for bound in bounds_ms]
    last = [min(max(round(end) - 1, 0), _OCTAVES * _BINS_PER_OCTAVE - 1) for end in ends]
    return np.array(last, np.int64)
