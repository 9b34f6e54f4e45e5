"""LogLimiter: how often a peer may make this end write to its log."""

from __future__ import annotations

import time
from typing import Final

BURST: Final = 20
INTERVAL_S: Final = 1.0


class LogLimiter:
    """Twenty lines at once and one a second after, for all cameras of a connection together.

    A hostile sender has 64 camera names to misbehave under: a line a second each would fill a disk.
    """

    def __init__(self) -> None:
        self._lines = float(BURST)
        self._asked = time.monotonic()

    def may_say(self) -> bool:
        """Whether a line may be written now; it then counts as written."""
        now = time.monotonic()
        self._lines = min(float(BURST), self._lines + (now - self._asked) / INTERVAL_S)
        self._asked = now
        if self._lines < 1:
            return False
        self._lines -= 1
        return True
