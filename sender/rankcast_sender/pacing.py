"""Pacing: when frames of a source that is not live are due, and when a failed one is reopened."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

DEFAULT_FPS: Final = 20.0
"""Frame rate of a real-time replay whose files state none."""
MAX_BEHIND_INTERVALS: Final = 5
"""A pipeline further behind than this restarts its schedule instead of rushing to catch up."""
BACKOFF_FIRST_S: Final = 0.25
BACKOFF_MAX_S: Final = 5.0


def backoff_s(tries: int, draw: Callable[[float, float], float] = random.uniform) -> float:
    """Return the pause before a source is opened again, after `tries` pauses before this one.

    Full jitter: any time up to a limit that doubles with each try. The cameras of one hub fail
    together, and pauses that are random throughout spread their retries best (Brooker, "Exponential
    backoff and jitter", AWS Architecture Blog, 2015).
    """
    return draw(0.0, min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(tries, 30)))


@dataclass(frozen=True, slots=True)
class GrabOptions:
    """Options for grabbing the frames of a source."""

    fps: float = 0.0
    """Frames per second; 0 selects the rate of the source."""
    frames: int = 0
    """Stop after this many frames; 0 is unlimited."""
    wait_viewers: int = 0
    """Open the source only when this many viewers have subscribed."""
    retry: bool = False
    """Reopen the source if it fails or cannot be opened: for cameras, not for files."""


class FrameClock:
    """Computes how long to wait until each frame is due.

    Parameters
    ----------
    interval_s : float
        Nominal time from one frame to the next.
    now_s : callable
        Monotonic clock.
    """

    def __init__(self, interval_s: float, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = interval_s
        self._now_s = now_s
        self._frames = 0
        self._origin_s: float | None = None
        """Monotonic time that corresponds to a due time of 0."""

    def wait_s(self, due_s: float | None = None) -> float:
        """Return the seconds to wait before the next frame.

        Parameters
        ----------
        due_s : float, optional
            When the frame is due, in seconds on the timeline of the source; by default one
            interval after the frame before it.
        """
        if due_s is None:
            due_s = self._frames * self._interval_s
        self._frames += 1
        now_s = self._now_s()
        behind_s = 0.0 if self._origin_s is None else now_s - self._origin_s - due_s
        if self._origin_s is None or behind_s > MAX_BEHIND_INTERVALS * self._interval_s:
            self._origin_s = now_s - due_s
        return max(0.0, self._origin_s + due_s - now_s)
