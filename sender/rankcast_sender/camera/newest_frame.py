"""NewestFrame: the newest grabbed frame, kept for `original` requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from rankcast.boot_clock import boot_ns
from rankcast.frame import Frame, Pixels

POLL_S: Final = 0.1


class NewestFrame:
    """Keep the newest picture of one camera, whether or not it has viewers.

    A `Frame` is kept as it is. An array is copied, and only while a request waits for it, because
    its owner may reuse the memory for the next picture.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._wanted = False

    def keep(self, image: Pixels | Frame) -> None:
        """Replace the newest picture."""
        with self._changed:
            if isinstance(image, Frame):
                self._frame = image
            elif self._wanted:
                self._frame = Frame(
                    image.copy(), t_capture_mono_ns=boot_ns(),
                    t_capture_utc_ns=time.time_ns(),
                )  # fmt: skip
            else:
                self._frame = None
            self._changed.notify_all()

    def wait(self, timeout_s: float, stopped: Callable[[], bool]) -> Frame | None:
        """Return the newest picture; None on timeout or once `stopped` returns true."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._wanted = self._frame is None
            while self._frame is None and not stopped() and time.monotonic() < deadline:
                self._changed.wait(POLL_S)
            # Cleared last: an array that arrives before this thread wakes must be kept too.
            self._wanted = False
            return self._frame
