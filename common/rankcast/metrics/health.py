"""Health: whether the threads of a process make progress, and whether it is of use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from rankcast.runtime import Pulse

STALLED_S: Final = 10.0
"""A thread without progress for this long is stuck, where no watchdog states another limit."""


class Health:
    """Judges a process from outside its threads.

    Parameters
    ----------
    pulses : callable
        Returns the pulses of the threads that run.
    cameras : callable
        Returns the state of each camera.
    ready : callable
        Returns whether these states make the process ready.
    watchdog_s : float
        Interval of the watchdog; 0 without one. A thread may stall for half of it.
    now_s : callable
        Monotonic clock of the pulses.
    """

    def __init__(
        self,
        pulses: Callable[[], Iterable[Pulse]],
        cameras: Callable[[], Mapping[str, str]],
        ready: Callable[[Mapping[str, str]], bool],
        watchdog_s: float = 0.0,
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pulses, self.cameras, self._ready, self._now_s = pulses, cameras, ready, now_s
        self._limit_s = watchdog_s / 2 or STALLED_S

    def stalls_s(self) -> Mapping[str, float]:
        """Return for how long each thread has made no progress."""
        now_s = self._now_s()
        return {pulse.name: pulse.silent_s(now_s) for pulse in self._pulses()}

    def stuck_s(self) -> Mapping[str, float]:
        """Return the threads that are stuck, and for how long."""
        return {name: s for name, s in self.stalls_s().items() if s > self._limit_s}

    def is_ready(self, cameras: Mapping[str, str]) -> bool:
        """Return whether the process is of use with its cameras in these states."""
        return self._ready(cameras)
