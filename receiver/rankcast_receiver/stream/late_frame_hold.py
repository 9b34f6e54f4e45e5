"""LateFrameHold: where a picture that comes late waits for a fresh one."""

from __future__ import annotations

from typing import Final

from rankcast.frame import Frame

HOLD_S: Final = 1.0
"""What came while a process stood still is read in less, and fresh pictures come right behind it.
Where that brings none, late pictures are all there is."""


class LateFrameHold:
    """The newest picture of a camera on its way out.

    A fresh one goes out at once. Late ones are held back for a moment, each in place of the one
    before: after a standstill of this process, or an interruption, they come in a burst before
    the first fresh one. Once all have come late for longer, as on a slow link, they go out too,
    since nothing at all is worse; `judge` does not call them live.
    """

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._late_since_s: float | None = None

    @property
    def waiting(self) -> bool:
        """True while a picture is held back: call `take` again."""
        return self._frame is not None

    def put(self, frame: Frame, now_s: float, *, late: bool) -> int:
        """Put the newest picture in; return how many it replaced."""
        replaced = 0 if self._frame is None else 1
        self._frame = frame
        if not late:
            self._late_since_s = None
        elif self._late_since_s is None:
            self._late_since_s = now_s
        return replaced

    def take(self, now_s: float, *, last: bool) -> Frame | None:
        """Return the picture that is to go out now, if there is one; `last`: none will follow."""
        since_s = self._late_since_s
        if since_s is not None and now_s - since_s < HOLD_S and not last:
            return None
        frame, self._frame = self._frame, None
        return frame

    def clear(self) -> int:
        """Forget everything; return how many pictures waited."""
        waited = 0 if self._frame is None else 1
        self._frame = self._late_since_s = None
        return waited
