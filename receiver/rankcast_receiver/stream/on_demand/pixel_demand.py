"""PixelDemand: whether somebody needs the decoded pictures of a camera now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rankcast.boot_clock import boot_s

LINGER_S: Final = 3.0
"""Decoding goes on for this long after the last need: to begin again may cost a key frame."""


class PixelDemand:
    """Whoever needs pixels says so again and again; nobody has to say that it no longer does.

    May be used from any thread.

    Parameters
    ----------
    now_s : callable
        Monotonic clock.
    """

    def __init__(self, now_s: Callable[[], float] = boot_s) -> None:
        self._now_s = now_s
        self._until_s = float("-inf")

    def renew(self) -> None:
        """Need the decoded pictures for the next `LINGER_S`."""
        self._until_s = self._now_s() + LINGER_S

    @property
    def wanted(self) -> bool:
        """True while somebody needs pixels."""
        return self._now_s() < self._until_s
