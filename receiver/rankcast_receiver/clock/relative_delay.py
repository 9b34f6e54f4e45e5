"""RelativeDelay: how much later than usual a message arrives, by the own clocks of both ends."""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW_NS: Final = 30 * 10**9
"""The quickest message of the last one to two windows counts: two quartz clocks of 50 ppm each
drift apart by 6 ms in that time."""


class RelativeDelay:
    """The least difference of two monotonic clocks, over the messages of the last minute.

    Notes
    -----
    The difference is the unknown offset of the clocks plus the transit time. Whatever a message has
    beyond the least one it spent waiting: in a queue, on a slow link, or for a process that was
    suspended. The offset cancels, so that it need not be known.
    """

    def __init__(self) -> None:
        self._least_ns: deque[int] = deque(maxlen=2)
        """Of the window before, and of this one."""
        self._began_ns = 0

    def restart(self) -> None:
        """Forget everything: the next message is the quickest."""
        self._least_ns.clear()

    def hear(self, t_there_ns: int, now_ns: int) -> None:
        """Take a message that was stamped at the other end and has arrived now."""
        transit_ns = now_ns - t_there_ns
        if not self._least_ns or now_ns - self._began_ns > WINDOW_NS:
            self._began_ns = now_ns
            self._least_ns.append(transit_ns)
        else:
            self._least_ns[-1] = min(self._least_ns[-1], transit_ns)

    def late_ns(self, t_there_ns: int, now_ns: int) -> int | None:
        """Return the age of a moment at the other end, less the transit time of the quickest."""
        return now_ns - t_there_ns - min(self._least_ns) if self._least_ns else None
