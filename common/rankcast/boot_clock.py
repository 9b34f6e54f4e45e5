"""The clock that tells how old a picture is: monotonic, and it runs while the machine sleeps.

`time.monotonic` of Linux stands still during a suspend, so that a picture from before it would
look fresh. Everything that is compared with a capture time, or decides whether a picture is live,
reads this clock; progress of threads and waiting times are measured with `time.monotonic`.
"""

from __future__ import annotations

import time
from typing import Final

_BOOT_TIME: Final = getattr(time, "CLOCK_BOOTTIME", None)
"""None except on Linux. The monotonic clock of Windows counts the time of a suspend itself."""


def boot_ns() -> int:
    """Return the nanoseconds since the machine was started, including suspends."""
    return time.monotonic_ns() if _BOOT_TIME is None else time.clock_gettime_ns(_BOOT_TIME)


def slept_s() -> float:
    """Return how long the machine was suspended since it was started."""
    return boot_s() - time.monotonic()


def boot_s() -> float:
    """Return the seconds since the machine was started, including suspends."""
    return time.monotonic() if _BOOT_TIME is None else time.clock_gettime(_BOOT_TIME)
