"""LogLimiter: limits the rate of one kind of log line."""

from __future__ import annotations

import time
from collections.abc import Callable


class LogLimiter:
    """Permits one log line per interval.

    Parameters
    ----------
    interval_s : float
        Shortest average time between two lines.
    burst : int
        Lines allowed at once after a quiet period.
    now_s : callable
        Clock, replaceable in tests.
    """

    def __init__(
        self,
        interval_s: float = 1.0,
        burst: int = 1,
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.suppressed = 0
        """Lines withheld between the last permitted line and the one before it."""
        self._interval_s = interval_s
        self._burst = float(burst)
        self._now_s = now_s
        self._tokens = self._burst
        self._refilled_s = now_s()
        self._withheld = 0

    def may_log(self) -> bool:
        """Return True if a line may be logged now, and count it as logged."""
        now_s = self._now_s()
        self._tokens += (now_s - self._refilled_s) / self._interval_s
        self._tokens = min(self._burst, self._tokens)
        self._refilled_s = now_s
        if self._tokens < 1:
            self._withheld += 1
            return False
        self._tokens -= 1
        self.suppressed, self._withheld = self._withheld, 0
        return True
