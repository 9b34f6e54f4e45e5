"""V4L2 devices: cameras that Linux lists as /dev/video*, with their pixel formats."""

from __future__ import annotations

import errno
import os
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

from rankcast.atomic_file import os_reason
from rankcast.natural_order import natural_key
from rankcast.printable import printable
from rankcast_sender.cameras.found import FoundCamera, Search

# linux/videodev2.h
_QUERYCAP: Final = 0x80685600
_ENUM_FMT: Final = 0xC0405602
_CAPABILITY: Final = struct.Struct("=16s32s32s6I")
_FORMAT: Final = struct.Struct("=3I32s5I")
_CAPTURE: Final = 0x1
_CAPTURE_MPLANE: Final = 0x1000
_DEVICE_CAPS: Final = 0x80000000
_BUFFER_CAPTURE: Final = 1
_BUFFER_CAPTURE_MPLANE: Final = 9
_MAX_FORMATS: Final = 64
KIND: Final = "V4L2"

Ioctl: TypeAlias = Callable[[int, int, bytearray], object]


def _system_ioctl(fd: int, request: int, buffer: bytearray) -> object:
    if sys.platform == "win32":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    import fcntl

    return fcntl.ioctl(fd, request, buffer)


def find_v4l2(folder: Path = Path("/dev"), ioctl: Ioctl = _system_ioctl) -> Search:
    """Return the capture devices of Linux; other systems do not list theirs.

    Parameters
    ----------
    folder : Path
    ioctl : callable
        Fills its buffer, as `fcntl.ioctl` does.
    """
    if sys.platform != "linux":
        return Search(missing="this system lists no cameras: try camera:0, camera:1, ...")
    paths = sorted(folder.glob("video[0-9]*"), key=natural_key)
    return Search([camera for path in paths for camera in _look_at(path, ioctl)])


def _look_at(path: Path, ioctl: Ioctl) -> Iterator[FoundCamera]:
    """Yield the camera, unless the device captures nothing: many cameras have one for metadata."""
    source, serial = f"camera:{path}", _serial(path.name)
    try:
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        advice = {
            errno.EACCES: ": add this user to group video",
            errno.EBUSY: ": another program holds it",
        }.get(exc.errno or 0, "")
        yield FoundCamera(
            source, KIND, _sys_name(path.name), serial, problem=f"{os_reason(exc)}{advice}"
        )
        return
    try:
        buffer = bytearray(_CAPABILITY.size)
        ioctl(fd, _QUERYCAP, buffer)
        driver, card, _, _, capabilities, of_device, *_ = _CAPABILITY.unpack(buffer)
        if capabilities & _DEVICE_CAPS:
            capabilities = of_device
        if capabilities & (_CAPTURE | _CAPTURE_MPLANE):
            kind = _BUFFER_CAPTURE if capabilities & _CAPTURE else _BUFFER_CAPTURE_MPLANE
            yield FoundCamera(
                source, KIND, _text(card), serial, link=_text(driver),
                formats=tuple(_formats(fd, kind, ioctl)),
            )  # fmt: skip
    except OSError:  # no device of V4L2
        return
    finally:
        os.close(fd)


def _formats(fd: int, kind: int, ioctl: Ioctl) -> Iterator[str]:
    """Yield the pixel formats that option `fourcc` can choose."""
    for index in range(_MAX_FORMATS):
        buffer = bytearray(_FORMAT.pack(index, kind, 0, b"", 0, 0, 0, 0, 0))
        try:
            ioctl(fd, _ENUM_FMT, buffer)
        except OSError:  # behind the last one
            return
        fourcc = _FORMAT.unpack(buffer)[4]
        yield _text(fourcc.to_bytes(4, "little"))


def _text(field: bytes) -> str:
    return printable(field.split(b"\0")[0].decode("utf-8", "replace")).strip()


def _sys_name(name: str) -> str:
    return _read(Path("/sys/class/video4linux", name, "name")) or name


def _serial(name: str) -> str:
    """Return the serial number of a USB camera; empty if it has none."""
    return _read(Path("/sys/class/video4linux", name, "device", "..", "serial"))


def _read(path: Path) -> str:
    try:
        return printable(path.read_text(encoding="utf-8", errors="replace")).strip()[:100]
    except OSError:
        return ""
