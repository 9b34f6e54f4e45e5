"""Pulse: whether a thread still turns its loop, for whoever watches it from another thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pulse:
    """Beats of one thread.

    Parameters
    ----------
    name : str
        What the thread does, for messages.

    Notes
    -----
    A thread that waits for something that may take any time (the next frame of a slow source, a
    viewer) rests; one that has not begun, or has ended, does too.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.allowance_s = 0.0
        """Time that one turn of the loop may take by design, such as one frame interval."""
        self._beaten_s: float | None = None

    def beat(self) -> None:
        """Say that the loop has turned; until the next beat or rest it is at work."""
        self._beaten_s = time.monotonic()

    def rest(self) -> None:
        """Say that nothing is due until the next beat."""
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
        """Seconds at work since the last beat, beyond the allowance; 0 at rest."""
        beaten_s = self._beaten_s
        return 0.0 if beaten_s is None else max(0.0, now_s - beaten_s - self.allowance_s)
