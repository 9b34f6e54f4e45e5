"""The lock of a file that is being recorded, so that nobody repairs it meanwhile."""

from __future__ import annotations

import sys
from contextlib import suppress

if sys.platform != "win32":  # which keeps a file that is open from being replaced
    import fcntl


def lock_for_writing(file: int) -> None:
    """Lock a file until it is closed or its process ends, where the file system has locks."""
    if sys.platform != "win32":
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(file: int) -> bool:
    """Return whether another process, or another part of this one, is recording to a file."""
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a file system without locks
            return False
        fcntl.flock(file, fcntl.LOCK_UN)
    return False
