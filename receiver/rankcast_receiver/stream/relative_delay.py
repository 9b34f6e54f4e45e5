"""RelativeDelay: how much later than lately a message comes, by the own clocks of both ends."""

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
    The difference holds the unknown offset of the clocks and the time on the way. What a message
    has beyond the least one it spent waiting: in a queue, on a slow link, or for a process that
    stood still. The offset drops out, so that nobody need know it.
    """

    def __init__(self) -> None:
        self._least_ns: deque[int] = deque(maxlen=2)
        """Of the window before, and of this one."""
        self._began_ns = 0

    def restart(self) -> None:
        """Forget everything: the next message is the quickest."""
        self._least_ns.clear()

    def hear(self, t_there_ns: int, now_ns: int) -> None:
        """Take a message that was stamped at the other end and is here now."""
        way_ns = now_ns - t_there_ns
        if not self._least_ns or now_ns - self._began_ns > WINDOW_NS:
            self._began_ns = now_ns
            self._least_ns.append(way_ns)
        else:
            self._least_ns[-1] = min(self._least_ns[-1], way_ns)

    def late_ns(self, t_there_ns: int, now_ns: int) -> int | None:
        """How much longer ago a moment of the other end is than the quickest message took."""
        return now_ns - t_there_ns - min(self._least_ns) if self._least_ns else None
