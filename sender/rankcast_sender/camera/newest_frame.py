"""NewestFrame: what was grabbed last, for who wants an original of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from rankcast.frame import Frame, Pixels

POLL_S: Final = 0.1


class NewestFrame:
    """Keeps the newest picture of one camera, watched or not.

    A picture that came as an array is copied, and only when somebody waits for it: its owner may
    write the next one into the same memory.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._wanted = False

    def keep(self, image: Pixels | Frame) -> None:
        """Take the next picture."""
        with self._changed:
            if isinstance(image, Frame):
                self._frame = image
            elif self._wanted:
                self._frame = Frame(
                    image.copy(), t_capture_mono_ns=time.monotonic_ns(),
                    t_capture_utc_ns=time.time_ns(),
                )  # fmt: skip
            else:
                self._frame = None
            self._changed.notify_all()

    def wait(self, timeout_s: float, stopped: Callable[[], bool]) -> Frame | None:
        """Return the newest picture; None when none came in time, or `stopped`."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._wanted = self._frame is None
            while self._frame is None and not stopped() and time.monotonic() < deadline:
                self._changed.wait(POLL_S)
            # Until then each picture is kept: the next one may be sent before this thread wakes.
            self._wanted = False
            return self._frame
