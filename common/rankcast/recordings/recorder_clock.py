"""The clock of a recorder: UTC that never goes back within a recording."""

from __future__ import annotations

import time
from collections.abc import Callable

from rankcast.boot_clock import boot_ns


class RecorderClock:
    """UTC at the start of a segment, plus the time since then on the clock since boot.

    Messages keep their order and their spacing when the clock of the machine is set. A clock that
    was set forward is followed from the next segment on; one that was set back is caught up with.

    Parameters
    ----------
    utc_ns, mono_ns : callable
        The two clocks of the machine.
    """

    def __init__(
        self, utc_ns: Callable[[], int] = time.time_ns, mono_ns: Callable[[], int] = boot_ns
    ) -> None:
        self._utc_ns, self._mono_ns = utc_ns, mono_ns
        self._offset_ns = utc_ns() - mono_ns()

    def follow(self) -> None:
        """Follow the clock of the machine from now on, unless it is behind."""
        self._offset_ns = max(self._offset_ns, self._utc_ns() - self._mono_ns())

    def now_ns(self) -> int:
        """Return the time of a message that is recorded now: ns since 1970."""
        return max(0, self._mono_ns() + self._offset_ns)

    def ahead_ns(self) -> int:
        """Return by how much this clock is ahead of that of the machine, after it was set back."""
        return self.now_ns() - self._utc_ns()
