"""RelativeDelay: how much later than usual a message arrives, without synchronised clocks."""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW_NS: Final = 30 * 10**9
"""Delays are relative to the quickest message of the last one to two windows, in which two quartz
clocks of 50 ppm each drift apart by 6 ms."""


class RelativeDelay:
    """Smallest difference of two monotonic clocks over the messages of the last minute.

    Notes
    -----
    The difference is the unknown offset of the clocks plus the transit time. Any excess over the
    smallest difference is time spent waiting: in a queue, on a slow link, or for a suspended
    process. The offset cancels, so it need not be known.
    """

    def __init__(self) -> None:
        self._least_ns: deque[int] = deque(maxlen=2)
        """Smallest differences of the previous and the current window."""
        self._began_ns = 0

    def restart(self) -> None:
        """Discard all measurements: the next message becomes the quickest."""
        self._least_ns.clear()

    def hear(self, t_there_ns: int, now_ns: int) -> None:
        """Record a message stamped at the other end that has just arrived."""
        transit_ns = now_ns - t_there_ns
        if not self._least_ns or now_ns - self._began_ns > WINDOW_NS:
            self._began_ns = now_ns
            self._least_ns.append(transit_ns)
        else:
            self._least_ns[-1] = min(self._least_ns[-1], transit_ns)

    def late_ns(self, t_there_ns: int, now_ns: int) -> int | None:
        """Return the age of a remote time stamp, less the transit time of the quickest message."""
        return now_ns - t_there_ns - min(self._least_ns) if self._least_ns else None
