"""IoMemory: how much memory the threads of libzmq that receive have taken from the system."""

from __future__ import annotations

import mmap
import threading
from pathlib import Path
from typing import Final

IO_THREAD: Final = "ZMQbg/IO"
"""Part of the name of each such thread."""
_TASKS: Final = Path("/proc/self/task")
_PAGE_BYTES: Final = mmap.PAGESIZE
_MINOR_FAULTS: Final = 7
"""Field of /proc/PID/task/TID/stat after the name of the thread, counted from 0: proc(5)."""


class IoMemory:
    """Counts the pages that the I/O threads of libzmq have touched for the first time.

    Whatever a peer makes libzmq store is written by one of these threads, and nothing else is: the
    memory of the process as a whole also grows when the program loads a model.
    """

    def __init__(self) -> None:
        self._bytes: dict[str, int] = {}
        for task in _TASKS.glob("*") if _TASKS.is_dir() else ():
            if IO_THREAD in _read(task / "comm"):
                self._bytes[task.name] = 0

    @property
    def known(self) -> bool:
        """False where the system does not tell."""
        return bool(self._bytes)

    def taken_bytes(self) -> int:
        """Return the bytes taken so far, freed or not; takes 10 us for each thread."""
        for name in self._bytes:
            _, _, fields = _read(_TASKS / name / "stat").rpartition(")")
            if fields:  # else the thread has ended
                self._bytes[name] = int(fields.split()[_MINOR_FAULTS]) * _PAGE_BYTES
        return sum(self._bytes.values())


class ReceivedBytes:
    """The bytes that all connections of this process have received; for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = 0

    def add(self, count: int) -> None:
        """Add what one connection has received since it last did."""
        with self._lock:
            self._total += count

    @property
    def total(self) -> int:
        """All bytes so far."""
        return self._total


RECEIVED: Final = ReceivedBytes()


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", errors="replace")
    except OSError:
        return ""
