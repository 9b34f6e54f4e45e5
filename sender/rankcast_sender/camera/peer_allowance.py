"""PeerAllowance: key frames for all viewers of a key or address that nothing tells apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

AT_ONCE: Final = 3
PAUSE_S: Final = 10.0
"""So many key frames, and one more each time that this has passed. They can be many viewers, which
join one after the other; one in bad faith soon gets one key frame in 300 frames of 30 a second,
which leaves the age of 99 % of them as it is."""


@dataclass(slots=True)
class PeerAllowance:
    """Key frames that such viewers requested. What they say of those that arrived does not count.

    Times are monotonic seconds, given by the caller.
    """

    waiting_from_s: float | None = None
    """When the open request may be met; None without one."""
    _left: float = AT_ONCE
    _at_s: float = -math.inf
    """Time of `_left`."""

    def ask(self, now_s: float, seen_sequence: int | None) -> float:  # noqa: ARG002 - as others
        """Record a request; return the earliest time at which it may be met."""
        if self.waiting_from_s is None:
            self.waiting_from_s = now_s + PAUSE_S * max(0.0, 1 - self._left_at(now_s))
        return self.waiting_from_s

    def met(self, sequence: int, now_s: float) -> None:  # noqa: ARG002 - as others
        """Record the key frame that met the open request."""
        self.waiting_from_s = None
        self._left, self._at_s = max(0.0, self._left_at(now_s) - 1), now_s

    def _left_at(self, now_s: float) -> float:
        return min(AT_ONCE, self._left + (now_s - self._at_s) / PAUSE_S)
