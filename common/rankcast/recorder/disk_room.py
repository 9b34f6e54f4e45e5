"""DiskRoom: whether to try a disk again that has refused something."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

LEAST_BYTES: Final = 1024 * 1024
"""Free space below which nothing is tried again."""
PACKETS: Final = 4
"""The same in packets of the largest size so far."""
FIRST_PAUSE_S: Final = 1.0
MAX_PAUSE_S: Final = 60.0
"""A quota may leave space that cannot be used: pauses double while every try fails."""


class DiskRoom:
    """Says when a key frame is worth asking for, which costs every viewer bandwidth.

    Parameters
    ----------
    folder : Path
    now_s : callable
        Monotonic clock.
    free : callable
        Returns the free bytes of a folder's file system.
    reserve_bytes : int
        Free space that is to stay free.
    """

    def __init__(
        self,
        folder: Path,
        now_s: Callable[[], float],
        free: Callable[[Path], int] | None = None,
        reserve_bytes: int = 0,
    ) -> None:
        self._folder, self._now_s, self._free = folder, now_s, free or _free_bytes
        self._reserve_bytes = reserve_bytes
        self._largest_bytes = 0
        self._failed = False
        self._pause_s = 0.0
        self._again_s = float("-inf")

    def wrote(self, size: int) -> None:
        """Note a packet that the disk took."""
        self._largest_bytes = max(self._largest_bytes, size)
        self._failed, self._pause_s = False, 0.0

    def refused(self, size: int) -> None:
        """Note a packet that the disk did not take."""
        self._largest_bytes = max(self._largest_bytes, size)
        if self._failed and self._now_s() < self._again_s:
            return
        self._failed = True
        self._pause_s = min(MAX_PAUSE_S, max(FIRST_PAUSE_S, 2 * self._pause_s))
        self._again_s = self._now_s() + self._pause_s

    @property
    def may_try(self) -> bool:
        """True unless the disk has refused a packet, and still has no room or its pause."""
        if not self._failed:
            return True
        if self._now_s() < self._again_s:
            return False
        with suppress(OSError):
            wanted = max(LEAST_BYTES, PACKETS * self._largest_bytes)
            if self._free(self._folder) >= wanted + self._reserve_bytes:
                return True
        self._again_s = self._now_s() + FIRST_PAUSE_S
        return False


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
