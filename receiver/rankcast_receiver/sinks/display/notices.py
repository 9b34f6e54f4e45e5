"""Notices: lines that the window shows for a few seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

SHOWN_S: Final = 5.0
MOST: Final = 4
"""Most lines at a time; the newest stay."""


class Notices:
    """The newest lines for the user."""

    def __init__(self) -> None:
        self._lines: deque[tuple[float, str]] = deque(maxlen=MOST)

    def add(self, lines: Iterable[str], now_s: float) -> None:
        """Show these lines from now on."""
        self._lines.extend((now_s, line) for line in lines)

    def at(self, now_s: float) -> tuple[str, ...]:
        """Return the lines to show now, the newest last."""
        while self._lines and now_s - self._lines[0][0] >= SHOWN_S:
            self._lines.popleft()
        return tuple(line for _, line in self._lines)
