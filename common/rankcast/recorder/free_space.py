"""FreeSpace: the free bytes of the disk of a recording."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

LOOK_S: Final = 5.0


class FreeSpace:
    """Looks at the disk now and then, in the thread that writes to it.

    A disk that hangs holds up that thread in any case, and nobody who reads `bytes`.

    Parameters
    ----------
    folder : Path
    now_s : callable
        Monotonic clock.
    """

    def __init__(self, folder: Path, now_s: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._now_s = folder, now_s
        self._looked_s = float("-inf")
        self.bytes: int | None = None
        """Free bytes at the latest look; None before the first."""

    def look(self) -> None:
        """Look at the disk, unless that was a moment ago."""
        now_s = self._now_s()
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        with suppress(OSError):
            self.bytes = shutil.disk_usage(self._folder).free
