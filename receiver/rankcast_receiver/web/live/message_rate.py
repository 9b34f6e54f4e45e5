"""MessageRate: how many messages a page may send."""

from __future__ import annotations

from typing import Final

MOST_S: Final = 200
"""Messages a second, and at once."""


class MessageRate:
    """A bucket that fills with 200 messages a second."""

    def __init__(self) -> None:
        self._left = float(MOST_S)
        self._looked_s: float | None = None

    def allows(self, now_s: float) -> bool:
        """Count a message; return False if it is one too many."""
        if self._looked_s is not None:
            self._left = min(float(MOST_S), self._left + (now_s - self._looked_s) * MOST_S)
        self._looked_s = now_s
        self._left -= 1
        return self._left >= 0
