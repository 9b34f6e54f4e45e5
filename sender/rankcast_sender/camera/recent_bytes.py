"""RecentBytes: bytes published within the last seconds, and those of marked packets."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

WINDOW_S: Final = 10.0
BIN_S: Final = 0.25
"""Packets are summed over this long, so that a fast camera takes no more memory than a slow one.
The window is therefore up to this much shorter."""


@dataclass(slots=True)
class _Bin:
    start_s: float
    total: int = 0
    marked: int = 0


class RecentBytes:
    """Sums over the last 10 s; the caller passes monotonic seconds that never fall."""

    def __init__(self) -> None:
        self._bins: deque[_Bin] = deque()
        self._total = self._marked = 0

    def add(self, size_bytes: int, now_s: float, *, marked: bool) -> None:
        """Count one packet."""
        self._forget(now_s)
        if not self._bins or now_s - self._bins[-1].start_s >= BIN_S:
            self._bins.append(_Bin(now_s))
        newest, of_marked = self._bins[-1], size_bytes if marked else 0
        newest.total += size_bytes
        newest.marked += of_marked
        self._total += size_bytes
        self._marked += of_marked

    def sums(self, now_s: float) -> tuple[int, int]:
        """Return the bytes of all packets and those of marked ones."""
        self._forget(now_s)
        return self._total, self._marked

    def _forget(self, now_s: float) -> None:
        while self._bins and now_s - self._bins[0].start_s > WINDOW_S:
            oldest = self._bins.popleft()
            self._total -= oldest.total
            self._marked -= oldest.marked
