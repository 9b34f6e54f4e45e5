"""Pulse: lets other threads check whether a thread still makes progress."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pulse:
    """The heartbeat of one thread.

    Parameters
    ----------
    name : str
        Task of the thread, for log messages.

    Notes
    -----
    A thread is at rest while it waits for an event that may take any time, such as the next frame
    of a slow source or a viewer, and also before it has started and after it has ended.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.allowance_s = 0.0
        """Time that one iteration of the loop may take by design, such as one frame interval."""
        self._beaten_s: float | None = None

    def beat(self) -> None:
        """Record progress; the thread counts as busy until the next beat or rest."""
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
        """Return how long the thread has been busy since the last beat, less the allowance."""
        beaten_s = self._beaten_s
        return 0.0 if beaten_s is None else max(0.0, now_s - beaten_s - self.allowance_s)
