"""FrameRing: shared memory in which the grabber process hands frames over."""

from __future__ import annotations

import errno
import mmap
import os
import sys
import tempfile
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from rankcast.atomic_file import os_reason
from rankcast.errors import SettingsError
from rankcast.frame import Pixels
from rankcast_sender.grabber.frame_memory import FrameMemory
from rankcast_sender.grabber.messages import GrabberProtocolError, SlotWritten

SLOTS: Final = 4
"""One that is written, one on its way, one that waits, one that is copied."""
SHARED_MEMORY: Final = "/dev/shm"


class FrameRing:
    """Slots for frames in memory that both processes map.

    A slot belongs to one process at a time; messages hand it over. No frame is ever written while
    it is read, so that none can be torn. The file has no name: whatever ends, nothing is left.

    Parameters
    ----------
    folder : str
        Where the file lies, on POSIX.
    """

    def __init__(self, folder: str = SHARED_MEMORY) -> None:
        self._folder = folder if os.path.isdir(folder) else tempfile.gettempdir()
        self._fd = -1
        self._map: mmap.mmap | None = None
        self._tag = ""
        self._memory = FrameMemory()
        self.slot_bytes = 0
        if sys.platform != "win32":
            self._fd = self._open_file()

    def _open_file(self) -> int:
        nameless = getattr(os, "O_TMPFILE", 0)
        if nameless:
            try:
                return os.open(self._folder, nameless | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except OSError as exc:
                if exc.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT):
                    raise SettingsError(
                        f"no shared memory in {self._folder} ({os_reason(exc)}): the sender needs "
                        "it to take frames from a camera"
                    ) from exc
        fd, path = tempfile.mkstemp(prefix="rankcast-", dir=self._folder)
        os.unlink(path)
        return fd

    @property
    def inherited(self) -> tuple[int, ...]:
        """File descriptors that the grabber process must inherit."""
        return () if self._fd < 0 else (self._fd,)

    def resize(self, frame_bytes: int) -> Mapping[str, Any]:
        """Make room for larger frames; no slot may be in use.

        Returns
        -------
        mapping
            What the grabber process needs to map the same memory.

        Raises
        ------
        SettingsError
            If the system does not have that much shared memory.
        """
        page = mmap.ALLOCATIONGRANULARITY
        slot_bytes = -(-frame_bytes // page) * page
        size = SLOTS * slot_bytes
        self._unmap()
        if sys.platform == "win32":
            self._tag = f"rankcast-{os.getpid()}-{id(self)}-{size}"
            self._map = mmap.mmap(-1, size, tagname=self._tag)
        else:
            self._reserve(size, frame_bytes)
            self._map = mmap.mmap(self._fd, size)
        self.slot_bytes = slot_bytes
        return {"slots": SLOTS, "slot_bytes": slot_bytes, "fd": self._fd, "tag": self._tag}

    def _reserve(self, size: int, frame_bytes: int) -> None:
        """Reserve the memory: to run out of it while it is written would be a fatal signal."""
        try:
            if sys.platform == "linux":
                os.posix_fallocate(self._fd, 0, size)
            else:
                os.ftruncate(self._fd, size)
        except OSError as exc:
            status = os.statvfs(self._folder)
            free = status.f_bavail * status.f_frsize + os.fstat(self._fd).st_blocks * 512
            raise SettingsError(
                f"got {free / 1e6:.1f} MB of shared memory in {self._folder}, want "
                f"{size / 1e6:.1f} MB for {SLOTS} frames of {frame_bytes} bytes: start the "
                f"container with --shm-size={_megabytes(size)}m, or mount -o "
                f"remount,size={_megabytes(size)}m {self._folder} ({os_reason(exc)})"
            ) from exc

    def copy(self, written: SlotWritten) -> Pixels:
        """Copy a frame out of its slot, unpacked.

        Returns
        -------
        ndarray, shape (H, W) or (H, W, C), uint8 or uint16
        """
        if self._map is None or written.slot >= SLOTS or written.frame_bytes > self.slot_bytes:
            raise GrabberProtocolError(
                f"the grabber process announced {written.frame_bytes} bytes in slot "
                f"{written.slot}, want {self.slot_bytes} bytes at most in slots 0 to {SLOTS - 1}"
            )
        start = written.slot * self.slot_bytes
        if written.pixel_format is not None:
            # The message was refused unless the size suits, so that this cannot raise and keep a
            # view of the memory in its traceback.
            packed = np.ndarray(written.frame_bytes, np.uint8, self._map, start)
            height, width = written.height, written.width
            memory = self._memory.get(written.pixel_format.picture_bytes(height, width))
            return written.pixel_format.unpack(packed, height, width, written.line_padding, memory)
        shape: tuple[int, ...] = (written.height, written.width)
        if written.channels > 1:
            shape = (*shape, written.channels)
        copied = self._memory.get(written.frame_bytes)
        copied[:] = np.ndarray(copied.shape, np.uint8, self._map, start)
        samples: Pixels = copied if written.sample_bytes == 1 else copied.view(np.uint16)
        return samples.reshape(shape)

    def close(self) -> None:
        """Release the memory; may be called twice."""
        self._unmap()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _unmap(self) -> None:
        if self._map is not None:
            self._map.close()
            self._map = None


def _megabytes(size: int) -> int:
    """Size to give a file system so that `size` bytes fit with some to spare for others."""
    return 64 * (-(-size // (64 << 20)) + 1)
