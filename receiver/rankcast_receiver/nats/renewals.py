"""Renewals: when a connection that brings only old pictures is made anew."""

from __future__ import annotations

from typing import Final

PAUSE_S: Final = 5.0
MAX_PAUSE_S: Final = 60.0


class Renewals:
    """Decides it ever more rarely, for as long as it does not help."""

    def __init__(self) -> None:
        self._renewed_s, self._count = float("-inf"), 0

    def due(self, now_s: float) -> bool:
        """Return True if the connection is to be made anew now, because only old pictures come."""
        pause_s = min(MAX_PAUSE_S, PAUSE_S * 2**self._count)
        if now_s - self._renewed_s < pause_s:
            return False
        helped = now_s - self._renewed_s > 2 * pause_s + PAUSE_S
        self._count = 0 if helped else self._count + 1
        self._renewed_s = now_s
        return True
