"""Thinning: leaves out frames of a camera, evenly, down to a lower rate."""

from __future__ import annotations


class Thinning:
    """Select the frames of a lower rate by their capture times.

    Each frame that is nearest to its turn is taken, so that the jitter of a camera does not show
    and 20 of 30 frames are every first and third of three.

    Parameters
    ----------
    fps : float
        Frames per second to keep; 0 keeps all.
    """

    def __init__(self, fps: float) -> None:
        self._period_ns = round(1e9 / fps) if fps else 0
        self._before_ns: int | None = None
        self._due_ns = 0

    def takes(self, t_capture_ns: int) -> bool:
        """Return True if the frame that was captured then is to be kept."""
        if not self._period_ns:
            return True
        before_ns, self._before_ns = self._before_ns, t_capture_ns
        if before_ns is None or t_capture_ns < before_ns:
            self._due_ns = t_capture_ns + self._period_ns
            return True
        if t_capture_ns + (t_capture_ns - before_ns) // 2 < self._due_ns:
            return False
        # After a pause of the camera the schedule starts again.
        late = t_capture_ns - self._due_ns > self._period_ns
        self._due_ns = (t_capture_ns if late else self._due_ns) + self._period_ns
        return True
