"""LateFrameHold: briefly holds back a late frame in case a fresh one follows."""

from __future__ import annotations

from typing import Final

from rankcast.frame import Frame

HOLD_S: Final = 1.0
"""After a suspension, the queued frames are read in less time than this and fresh ones follow
directly. If none follows, only late frames are available."""


class LateFrameHold:
    """Holds the newest frame of a camera until it is handed out.

    A fresh frame is handed out at once. Late ones are held briefly, each replacing the one before:
    after a suspension of this process or a link failure they arrive in a burst before the first
    fresh one. If frames stay late for longer, as on a slow link, they are handed out too, which
    beats showing nothing; `judge` does not report them as live.
    """

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._late_since_s: float | None = None

    @property
    def waiting(self) -> bool:
        """True while a frame is held: call `take` again."""
        return self._frame is not None

    def put(self, frame: Frame, now_s: float, *, late: bool) -> int:
        """Store the newest frame; return the number of frames it replaced."""
        replaced = 0 if self._frame is None else 1
        self._frame = frame
        if not late:
            self._late_since_s = None
        elif self._late_since_s is None:
            self._late_since_s = now_s
        return replaced

    def take(self, now_s: float, *, last: bool) -> Frame | None:
        """Return the frame that is due now, if any; `last` states that none will follow."""
        since_s = self._late_since_s
        if since_s is not None and now_s - since_s < HOLD_S and not last:
            return None
        frame, self._frame = self._frame, None
        return frame

    def clear(self) -> int:
        """Discard the held frame; return the number of frames discarded."""
        held = 0 if self._frame is None else 1
        self._frame = self._late_since_s = None
        return held
