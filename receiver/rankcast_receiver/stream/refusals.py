"""Refusals: tracks and logs why packets of one camera are refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.errors import NeedKeyframe, WireError
from rankcast.runtime import LogLimiter

log = logging.getLogger(__name__)

WARNING_INTERVAL_S: Final = 1.0
"""Shortest time between log lines, so that a flood of bad packets does not flood the log."""


class Refusals:
    """Tracks the packets of one camera that this receiver cannot decode.

    Parameters
    ----------
    camera : str
        Name of the camera at this receiver.
    log_limiter : LogLimiter
        Shared by the cameras of a sender.
    now_s : callable
        Monotonic clock.
    """

    def __init__(
        self,
        camera: str,
        log_limiter: LogLimiter,
        now_s: Callable[[], float] = boot_s,
    ) -> None:
        self.reason = ""
        """Why this receiver cannot decode the stream, until it has decoded a picture: a limit, a
        codec or a model, not damage in transit. In ASCII."""
        self._camera = camera
        self._own_limiter = LogLimiter(WARNING_INTERVAL_S, now_s=now_s)
        self._log_limiter = log_limiter

    def add(self, error: WireError) -> None:
        """Record a packet that would be refused again if resent."""
        self.reason = str(error).encode("ascii", "backslashreplace").decode("ascii")
        self.warn(error)

    def warn(self, error: WireError | NeedKeyframe) -> None:
        """Log a refused packet, unless one was logged within the last second."""
        if self.may_log():
            log.warning("%s: packet refused: %s", self._camera, error)

    def may_log(self) -> bool:
        """Return True when this camera may write a line now."""
        return self._own_limiter.may_log() and self._log_limiter.may_log()

    def clear(self) -> None:
        """Record that a picture was decoded."""
        self.reason = ""
