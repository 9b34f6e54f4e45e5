"""Lag: how far behind the present the packets are that the decoder gets from a stream."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

NEAR_S: Final = 2.0
"""A shorter lag counts as the present."""


class Lag:
    """Compares the time of the server with that of the packet which the decoder takes next.

    A stream is read faster than it is decoded: the last packet read may be of now, and the picture
    on the screen of minutes ago.

    Parameters
    ----------
    oldest_s : callable
        Returns when the oldest packet that waits for the decoder was received; None without one.
    now_ns : callable
        UTC here.
    """

    def __init__(
        self, oldest_s: Callable[[], float | None], now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.server_ahead_ns = 0
        """By how much the clock of the server is ahead of the one here."""
        self.newest_ns = 0
        """When the server took the message that was read last; 0 before any."""
        self._oldest_s = oldest_s
        self._now_ns = now_ns
        self._waiting: deque[tuple[float, int]] = deque()
        """When each packet that may still wait was received here, and stored at the server."""

    @property
    def is_waiting(self) -> bool:
        """True while packets of the stream wait for the decoder; as of the last `tick`."""
        return bool(self._waiting)

    @property
    def behind_s(self) -> float:
        """How far the next packet is in the past; 0 in the present."""
        if not self.newest_ns:
            return 0.0
        next_ns = self._waiting[0][1] if self._waiting else self.newest_ns
        behind_s = (self._now_ns() + self.server_ahead_ns - next_ns) / 1e9
        return behind_s if behind_s >= NEAR_S else 0.0

    def forward(self, t_received_s: float) -> None:
        """Note a packet, completed by the message read last, that now waits for the decoder."""
        self._waiting.append((t_received_s, self.newest_ns))

    def tick(self) -> None:
        """Forget the packets that the decoder has taken; call it several times a second."""
        oldest_s = self._oldest_s()
        while self._waiting and (oldest_s is None or self._waiting[0][0] < oldest_s):
            self._waiting.popleft()


def duration_text(seconds: float) -> str:
    """Return a duration as people write it."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d} h" if hours else f"{minutes}:{rest:02d} min"
