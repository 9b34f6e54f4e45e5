"""LateFrameHold: holds a late frame back for a moment, in case a fresh one follows."""

from __future__ import annotations

from typing import Final

from rankcast.frame import Frame

HOLD_S: Final = 1.0
"""After a process was suspended, the frames that waited are read in less time, and fresh ones
follow directly. If none does, late frames are all there is."""


class LateFrameHold:
    """The newest frame of a camera on its way out.

    A fresh frame goes out at once. Late ones are held for a moment, each replacing the one before:
    after this process was suspended, or the link interrupted, they arrive in a burst before the
    first fresh one. Once all frames have been late for longer than that, as on a slow link, they go
    out too, since nothing at all would be worse; `judge` does not call them live.
    """

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._late_since_s: float | None = None

    @property
    def waiting(self) -> bool:
        """True while a frame is held: call `take` again."""
        return self._frame is not None

    def put(self, frame: Frame, now_s: float, *, late: bool) -> int:
        """Put the newest frame in; return how many it replaced."""
        replaced = 0 if self._frame is None else 1
        self._frame = frame
        if not late:
            self._late_since_s = None
        elif self._late_since_s is None:
            self._late_since_s = now_s
        return replaced

    def take(self, now_s: float, *, last: bool) -> Frame | None:
        """Return the frame that is due now, if there is one; `last`: none will follow."""
        since_s = self._late_since_s
        if since_s is not None and now_s - since_s < HOLD_S and not last:
            return None
        frame, self._frame = self._frame, None
        return frame

    def clear(self) -> int:
        """Forget everything; return how many frames were held."""
        held = 0 if self._frame is None else 1
        self._frame = self._late_since_s = None
        return held
