"""SavedFiles: which saved pictures of a folder are the oldest, in constant memory; removes them."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from rankcast.atomic_file import os_reason
from rankcast.boot_clock import boot_s
from rankcast.errors import SinkError
from rankcast.wire import RECEIVED_NAME

SAVED_NAME: Final = re.compile(
    RECEIVED_NAME + r"_(?P<sequence>\d{9,20})_(?P<utc>\d{8}T\d{6}\.\d{6})Z(?:_[0-9a-f]{8})?"
    r"\.(?:png|jpg|tiff)"
)
"""Files of any other name are never removed."""
INDEX_FILES: Final = 8192
"""Most files listed as the next to go; the folder is read again when they are gone. At most twice
as many are in memory for a moment, at 230 bytes each."""
SCAN_STEP: Final = 4096
"""Directory entries read between two frames: 10 ms. A million files take 250 frames or 13 s."""
REMOVALS_A_STEP: Final = 256
"""Most files removed between two frames: about 10 ms, however far the folder is over its limit."""
FREE_CHECK_S: Final = 1.0
"""Interval of asking for the free space. Some file systems free space only after seconds."""
PART_AGE_S: Final = 3600
"""An older part file was left by a killed process; a newer one may still be in use."""

_PART: Final = re.compile(rf"\.{SAVED_NAME.pattern}\.[0-9a-f]{{8}}\.part")


@dataclass(frozen=True, slots=True)
class RetentionLimits:
    """What a folder of saved pictures may hold; 0 is no limit."""

    max_files: int = 0
    max_bytes: int = 0
    max_age_s: float = 0.0
    min_free_bytes: int = 0
    """Free space to keep on the file system."""

    def __bool__(self) -> bool:
        """Return True if any limit is set."""
        return any((self.max_files, self.max_bytes, self.max_age_s, self.min_free_bytes))


@dataclass(frozen=True, slots=True)
class _Saved:
    t_ns: int
    """When it was written, by the clock of the file system: a sender's clock may be wrong."""
    name: str
    size: int

    @property
    def order(self) -> tuple[int, str, str]:
        # File systems count in milliseconds: capture time and name decide within one.
        return self.t_ns, self.name.partition(".")[0].rpartition("_")[2], self.name


def free_bytes(folder: Path) -> int:
    """Return the space that is free for this user on the file system of `folder`."""
    return shutil.disk_usage(folder).free


class SavedFiles:
    """Removes the oldest saved pictures of a folder beyond its limits, a few at a time.

    All files that are named like saved pictures count, also those of other cameras and earlier
    runs. Only the next `INDEX_FILES` to go are kept in memory, without limits none. Reading the
    folder, at the start and whenever these are gone, is spread over many frames; meanwhile nothing
    is removed. Part files of killed runs are removed on the way.

    Parameters
    ----------
    folder : Path
    limits : RetentionLimits
    now_ns : callable
        Clock of the file system: ns since 1970.
    now_s : callable
        Monotonic clock.
    free : callable
        Returns the free bytes of a folder's file system.

    Raises
    ------
    OSError
        If the folder cannot be listed.
    """

    def __init__(
        self,
        folder: Path,
        limits: RetentionLimits,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        now_s: Callable[[], float] = boot_s,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._folder = folder
        self._limits = limits
        self._now_ns, self._now_s, self._free = now_ns, now_s, free
        self._oldest: deque[_Saved] = deque()
        self._complete = True
        """Whether `_oldest` has all files of the folder."""
        self.files = 0
        self.bytes = 0
        self._wanted_bytes = 0
        """Space still to be freed."""
        self._free_checked_s = float("-inf")
        self._scan: Iterator[None] | None = None
        self._found: list[_Saved] = []
        self._meanwhile: dict[str, _Saved] = {}
        """Files written while the folder is read, which may or may not show up there."""
        self._begin_scan()
        self._advance()

    def added(self, name: str, size: int) -> None:
        """Note a file that was just written."""
        if not self._limits:
            return
        saved = _Saved(self._now_ns(), name, size)
        if self._scan is not None:
            self._meanwhile[name] = saved
        else:
            self._note(saved)

    def tidy(self) -> None:
        """Go on reading the folder, or remove files beyond the limits, for about 10 ms.

        Raises
        ------
        SinkError
            If a file cannot be removed.
        """
        if self._scan is not None:
            # A folder that vanished, such as a network share, may reappear.
            with suppress(OSError):
                self._advance()
            return
        if not self._limits:
            return
        self._check_free()
        for _ in range(REMOVALS_A_STEP):
            if not self._oldest and not self._complete:
                self._begin_scan()
                return
            if not self._oldest or not self._is_too_much(self._oldest[0]):
                return
            self._remove(self._oldest[0])

    def close(self) -> None:
        """Stop reading the folder; may be called twice."""
        self._end_scan()

    def _is_too_much(self, oldest: _Saved) -> bool:
        limits = self._limits
        if limits.max_age_s and self._now_ns() - oldest.t_ns > limits.max_age_s * 1e9:
            return True
        if self.files <= 1:  # the newest picture is worth more than a limit
            return False
        return bool(
            (limits.max_files and self.files > limits.max_files)
            or (limits.max_bytes and self.bytes > limits.max_bytes)
            or self._wanted_bytes > 0
        )

    def _check_free(self) -> None:
        now_s = self._now_s()
        if not self._limits.min_free_bytes or now_s - self._free_checked_s < FREE_CHECK_S:
            return
        self._free_checked_s = now_s
        with suppress(OSError):  # the next frame reports it
            self._wanted_bytes = self._limits.min_free_bytes - self._free(self._folder)

    def _remove(self, oldest: _Saved) -> None:
        path = self._folder / oldest.name
        try:
            path.unlink(missing_ok=True)
        except OSError as exc:
            raise SinkError(f"cannot remove {path}: {os_reason(exc)}") from exc
        self._oldest.popleft()
        self.files -= 1
        self.bytes -= oldest.size
        self._wanted_bytes -= oldest.size

    def _note(self, saved: _Saved) -> None:
        self.files += 1
        self.bytes += saved.size
        files = self._oldest
        if files and saved.order < files[-1].order:  # the clock was set back
            at = len(files)
            while at and saved.order < files[at - 1].order:
                at -= 1
            files.insert(at, saved)
        elif self._complete:
            files.append(saved)
        while len(files) > 2 * INDEX_FILES:
            files.pop()
            self._complete = False

    def _begin_scan(self) -> None:
        self._found = []
        self._meanwhile = {}
        self._complete = True
        self.files = self.bytes = 0
        self._scan = self._read_folder()

    def _end_scan(self) -> None:
        scan, self._scan = self._scan, None
        if scan is not None:
            scan.close()  # type: ignore[attr-defined] # a generator

    def _advance(self) -> None:
        """Read some more of the folder; at its end, note what was written meanwhile."""
        assert self._scan is not None
        try:
            step = sum(1 for _ in islice(self._scan, SCAN_STEP))
        except OSError:
            self._begin_scan()
            raise
        if step == SCAN_STEP:
            return
        self._scan = None
        self._cut_found()
        self._oldest = deque(self._found)
        self._found = []
        for saved in self._meanwhile.values():
            self._note(saved)
        self._meanwhile = {}

    def _cut_found(self) -> None:
        self._found.sort(key=lambda saved: saved.order)
        if len(self._found) > INDEX_FILES:
            del self._found[INDEX_FILES:]
            self._complete = False

    def _read_folder(self) -> Iterator[None]:
        """Read one directory entry for each value asked for."""
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # another receiver removed it
                    if entry.name.startswith("."):
                        _remove_old_part(entry)
                    elif self._limits and entry.name not in self._meanwhile:
                        self._find(entry)
                yield None

    def _find(self, entry: os.DirEntry[str]) -> None:
        if not SAVED_NAME.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
            return
        status = entry.stat(follow_symlinks=False)
        self.files += 1
        self.bytes += status.st_size
        self._found.append(_Saved(status.st_mtime_ns, entry.name, status.st_size))
        if len(self._found) >= 2 * INDEX_FILES:
            self._cut_found()


def _remove_old_part(entry: os.DirEntry[str]) -> None:
    if not _PART.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
        return
    if time.time() - entry.stat(follow_symlinks=False).st_mtime > PART_AGE_S:
        os.unlink(entry.path)
