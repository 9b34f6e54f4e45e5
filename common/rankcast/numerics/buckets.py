"""Buckets: how many values of a stream are at most each of a few bounds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Buckets:
    """Counts values; one thread adds, any thread reads.

    Parameters
    ----------
    bounds : sequence of float
        Upper bounds, rising.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self._counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0
        """Of all values."""

    def add(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def up_to(self) -> list[int]:
        """Return how many values are at most each bound, and all of them."""
        return list(accumulate(self._counts))
