"""Pulse: shows other threads whether a thread still makes progress."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pulse:
    """The heartbeat of one thread.

    Parameters
    ----------
    name : str
        What the thread does, for log messages.

    Notes
    -----
    A thread rests while it waits for an event that may take any time, such as the next frame of a
    slow source or a viewer; so does a thread that has not started, or has ended.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.allowance_s = 0.0
        """Time that one turn of the loop may take by design, such as one frame interval."""
        self._beaten_s: float | None = None

    def beat(self) -> None:
        """Record progress; until the next beat or rest the thread is at work."""
        self._beaten_s = time.monotonic()

    def rest(self) -> None:
        """Expect no progress until the next beat."""
        self._beaten_s = None

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Rest while the block waits."""
        self.rest()
        try:
            yield
        finally:
            self.beat()

    def silent_s(self, now_s: float) -> float:
        """Return the seconds at work since the last beat, beyond the allowance; 0 at rest."""
        beaten_s = self._beaten_s
        return 0.0 if beaten_s is None else max(0.0, now_s - beaten_s - self.allowance_s)
