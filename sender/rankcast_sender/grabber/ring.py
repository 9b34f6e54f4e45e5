"""FrameRing: shared memory in which the grabber process hands frames over."""

from __future__ import annotations

import errno
import math
import mmap
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rankcast.atomic_file import os_reason
from rankcast.errors import SettingsError, SourceError
from rankcast.frame import Pixels
from rankcast_sender.grabber.frame_memory import FrameMemory, is_unused
from rankcast_sender.grabber.messages import GrabberProtocolError, SlotWritten
from rankcast_sender.sources import PixelFormat

SLOTS: Final = 4
"""One that is written, one on its way, and those in use."""
LENT: Final = 2
"""Most frames whose pixels stay in the ring: the newest one and the one that is encoded."""
SHARED_MEMORY: Final = "/dev/shm"


class FrameRing:
    """Slots for frames in memory that both processes map.

    A slot belongs to one process at a time; messages hand it over. No frame is ever written while
    it is read, so that none can be torn. The file has no name: whatever ends, nothing is left.

    Frames are views of their slots, which are given back when nobody holds the frame any more. Of
    more than `LENT` such frames the pixels are copied, because they may wait in a mailbox, an
    encoder and an audit, while the device needs slots to write to.

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
        self._slots: list[NDArray[np.uint8]] = []
        self._lent: set[int] = set()
        self._end = 0
        self.slot_bytes = 0
        if sys.platform != "win32":
            self._fd = self._open_file()

    def _open_file(self) -> int:
        nameless = getattr(os, "O_TMPFILE", 0)
        if nameless:
            try:
                return os.open(self._folder, nameless | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except OSError as exc:
                if exc.errno in (errno.EMFILE, errno.ENFILE):
                    raise SourceError(f"no shared memory for a camera: {os_reason(exc)}") from exc
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
        """Make room for larger frames; every announced slot must have been taken.

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
        # A quarter more than before at least: rings of many regions set in turn are few.
        wanted = max(frame_bytes, self.slot_bytes + self.slot_bytes // 4)
        slot_bytes = -(-wanted // page) * page
        size = SLOTS * slot_bytes
        # Frames of the ring before may still be in use: nothing is written over them.
        self.given_back()
        start = self._end if self._lent else 0
        self._unmap()
        if sys.platform == "win32":
            self._tag = f"rankcast-{os.getpid()}-{id(self)}-{size}"
            self._map = mmap.mmap(-1, size, tagname=self._tag)
        else:
            self._reserve(start, size, frame_bytes)
            self._map = mmap.mmap(self._fd, size, offset=start)
        self._end = start + size
        self.slot_bytes = slot_bytes
        # `frombuffer` keeps the memory mapped for as long as a view of it lives.
        self._slots = [
            np.frombuffer(self._map, np.uint8, slot_bytes, slot * slot_bytes)
            for slot in range(SLOTS)
        ]
        return {
            "slots": SLOTS, "slot_bytes": slot_bytes, "fd": self._fd, "offset": start,
            "tag": self._tag,
        }  # fmt: skip

    def _reserve(self, start: int, size: int, frame_bytes: int) -> None:
        """Reserve the memory: to run out of it while it is written would be a fatal signal."""
        try:
            if sys.platform == "linux":
                os.posix_fallocate(self._fd, start, size)
            else:
                os.ftruncate(self._fd, start + size)
        except OSError as exc:
            status = os.statvfs(self._folder)
            free = status.f_bavail * status.f_frsize + os.fstat(self._fd).st_blocks * 512
            raise SettingsError(
                f"got {free / 1e6:.1f} MB of shared memory in {self._folder}, want "
                f"{size / 1e6:.1f} MB for {SLOTS} frames of {frame_bytes} bytes: start the "
                f"container with --shm-size={_megabytes(size)}m, or mount -o "
                f"remount,size={_megabytes(size)}m {self._folder} ({os_reason(exc)})"
            ) from exc

    def take(self, written: SlotWritten) -> tuple[Pixels, bool]:
        """Return the frame in a slot.

        Returns
        -------
        ndarray, shape (H, W) or (H, W, C), uint8 or uint16
        bool
            True if the pixels were copied, so that the slot can be given back at once; otherwise
            `given_back` returns it later.
        """
        if self._map is None or written.slot >= SLOTS or written.frame_bytes > self.slot_bytes:
            raise GrabberProtocolError(
                f"the grabber process announced {written.frame_bytes} bytes in slot "
                f"{written.slot}, want {self.slot_bytes} bytes at most in slots 0 to {SLOTS - 1}"
            )
        if written.slot in self._lent:
            raise GrabberProtocolError(
                f"the grabber process announced slot {written.slot}, which it does not own"
            )
        packed = written.pixel_format
        if packed is not None and not packed.is_plain(written.line_padding):
            return self._unpack(packed, written), True
        shape: tuple[int, ...] = (written.height, written.width)
        if written.channels > 1:
            shape = (*shape, written.channels)
        # A camera may send more than the picture, behind it.
        data = self._slots[written.slot][: math.prod(shape) * written.sample_bytes]
        copied = len(self._lent) >= LENT
        if copied:
            memory = self._memory.get(data.size)
            memory[:] = data
            data = memory
        else:
            self._lent.add(written.slot)
        samples: Pixels = data if written.sample_bytes == 1 else data.view(np.uint16)
        return samples.reshape(shape), copied

    def _unpack(self, packed: PixelFormat, written: SlotWritten) -> Pixels:
        # Whoever parsed the message has refused it unless the sizes suit.
        height, width = written.height, written.width
        memory = self._memory.get(packed.picture_bytes(height, width))
        data = self._slots[written.slot][: written.frame_bytes]
        return packed.unpack(data, height, width, written.line_padding, memory)

    def given_back(self) -> Sequence[int]:
        """Return the slots whose frames nobody holds any more."""
        unused = [slot for slot in self._lent if is_unused(self._slots, slot)]
        self._lent.difference_update(unused)
        return unused

    def close(self) -> None:
        """Release the memory; may be called twice."""
        self._unmap()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _unmap(self) -> None:
        self._slots = []
        self._lent = set()
        if self._map is not None:
            with suppress(BufferError):  # frames that are in use keep it until they are not
                self._map.close()
            self._map = None


def _megabytes(size: int) -> int:
    """Size to give a file system so that `size` bytes fit with some to spare for others."""
    return 64 * (-(-size // (64 << 20)) + 1)
