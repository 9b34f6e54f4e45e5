"""Which segments of a recording are the oldest beyond its limits; removes them."""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rankcast.atomic_file import os_reason
from rankcast.errors import RecordingError
from rankcast.recordings.segment import is_segment, segments_of


@dataclass(frozen=True, slots=True)
class RecordingLimits:
    """What the segments of a recording may take; 0 is no limit.

    The segments that are being written always stay.
    """

    max_bytes: int = 0
    """Of all segments together."""
    max_age_s: float = 0.0
    """Since a segment was last written."""
    min_free_bytes: int = 0
    """Free space to keep on the file system."""

    def __bool__(self) -> bool:
        """Return True if any limit is set."""
        return any((self.max_bytes, self.max_age_s, self.min_free_bytes))


@dataclass(frozen=True, slots=True)
class _Segment:
    path: Path
    bytes: int
    t_ns: int


class Retention:
    """Removes the oldest segments of a recording, those of earlier runs included.

    Parameters
    ----------
    path : Path
        The recording. Files that are named like its segments but are none are never removed.
    limits : RecordingLimits
    segments : iterable of Path, optional
        What is complete already, the oldest first: by default all segments of `path`.
    now_ns : callable
        Clock of the file system: ns since 1970.
    free : callable
        Returns the free bytes of a folder's file system.
    """

    def __init__(
        self,
        path: Path,
        limits: RecordingLimits,
        *,
        segments: Iterable[Path] | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        free: Callable[[Path], int] | None = None,
    ) -> None:
        self._path, self._limits, self._now_ns = path, limits, now_ns
        self._free = free or _free_bytes
        self._oldest: deque[_Segment] = deque()
        self._missing_bytes = 0
        """Free space that is to be kept and that no removal gives."""
        self._kept: frozenset[Path] = frozenset()
        if limits:
            if segments is None:
                segments = [segment for _, segment in segments_of(path)]
            for segment in segments:
                self.add(segment)

    def add(self, path: Path) -> None:
        """Note a segment that is complete, the newest one so far."""
        with suppress(OSError):
            if self._limits and is_segment(path):
                status = path.stat()
                self._oldest.append(_Segment(path, status.st_size, status.st_mtime_ns))

    def keep(self, paths: Iterable[Path]) -> None:
        """Remove these segments, the newest ones, for their age only; replaces those before."""
        self._kept = frozenset(paths)

    def give_up_kept(self) -> None:
        """Let the kept segments go too, if that gives the space that is missing."""
        if sum(one.bytes for one in self._oldest if one.path in self._kept) >= self._missing_bytes:
            self._kept = frozenset()

    def tidy(self, open_bytes: int) -> list[Path]:
        """Remove the oldest segments beyond the limits, and return their files.

        Parameters
        ----------
        open_bytes : int
            Size of the segments that are being written.

        Raises
        ------
        RecordingError
            If a segment cannot be removed.
        """
        limits = self._limits
        removed: list[Path] = []
        total = open_bytes + sum(segment.bytes for segment in self._oldest)
        wanted = 0
        if limits.min_free_bytes:
            with suppress(OSError):  # the next message reports it
                wanted = limits.min_free_bytes - self._free(self._path.parent)
        while self._oldest:
            oldest = self._oldest[0]
            too_old = limits.max_age_s and self._now_ns() - oldest.t_ns > limits.max_age_s * 1e9
            too_much = wanted > 0 or (limits.max_bytes and total > limits.max_bytes)
            if not (too_old or (too_much and oldest.path not in self._kept)):
                break
            try:
                oldest.path.unlink(missing_ok=True)
            except OSError as exc:
                raise RecordingError(f"cannot remove {oldest.path}: {os_reason(exc)}") from exc
            self._oldest.popleft()
            removed.append(oldest.path)
            total -= oldest.bytes
            wanted -= oldest.bytes
        self._missing_bytes = max(0, wanted)
        return removed

    def check_room(self) -> None:
        """Refuse to write while less space is free than is to be kept.

        Raises
        ------
        RecordingError
        """
        if self._missing_bytes:
            raise RecordingError(
                f"{self._path.parent}: {self._missing_bytes} bytes of the "
                f"{self._limits.min_free_bytes} that are to stay free are in use: free some space"
            )


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
