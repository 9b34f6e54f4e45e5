"""Clock: a clock that stands until a test advances it."""

from __future__ import annotations


class Clock:
    """Seconds that pass only when asked to."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
