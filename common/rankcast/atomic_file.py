"""Files that are read and written whole: a packet, a picture, a report."""

from __future__ import annotations

import errno
import os
import secrets
import select
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from rankcast.errors import LimitError, RankcastError, SettingsError

FIFO_TIMEOUT_S: Final = 10.0
"""Longest wait for the reader of a FIFO, which may start a little after the writer."""

_FIFO_POLL_S: Final = 0.05
# Used if pathconf reports nothing: every common file system allows at least this.
_NAME_BYTES: Final = 255


def read_whole(path: Path, max_bytes: int) -> bytes:
    """Read a file of at most `max_bytes`.

    Raises
    ------
    RankcastError
        If it cannot be read, is not a regular file or is larger; the size is checked first.
    """
    try:
        with open(path, "rb", opener=open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise RankcastError(f"{path}: is not a regular file")
            if status.st_size > max_bytes:
                raise LimitError(f"{path}: has {status.st_size} bytes, the limit is {max_bytes}")
            return file.read(max_bytes)
    except OSError as exc:
        raise RankcastError(f"{path}: cannot be read: {os_reason(exc)}") from exc
    except ValueError as exc:  # a NUL in the name
        raise RankcastError(f"{path}: cannot be read: {exc}") from exc


def write_whole(path: Path, data: bytes, *, exclusive: bool = False, fsync: bool = False) -> None:
    """Write a file that appears whole under its name or not at all.

    A symbolic link is followed, not replaced; a device or FIFO is written to, not replaced.

    Parameters
    ----------
    path : Path
    data : bytes
    exclusive : bool, optional
        Refuse an existing name, also when another process creates it at the same moment;
        otherwise an existing file is replaced.
    fsync : bool, optional
        Return only once the disk has the data and the name, so that both survive a power failure.

    Raises
    ------
    RankcastError
        If the file cannot be written, or nothing reads a FIFO for 10 s.
    FileExistsError
        If `exclusive` and the name exists.
    """
    try:
        if exclusive:
            _write_beside(path, data, exclusive=True, fsync=fsync)
        elif is_stream(path):
            _write_into(path, data)
        else:
            _write_beside(_link_target(path), data, exclusive=False, fsync=fsync)
    except OSError as exc:
        if exclusive and isinstance(exc, FileExistsError):
            raise
        raise RankcastError(f"{path}: cannot be written: {os_reason(exc)}") from exc
    except ValueError as exc:  # a NUL in the name
        raise RankcastError(f"{path}: cannot be written: {exc}") from exc


def is_stream(path: Path) -> bool:
    """Return whether `path` is a device or FIFO, which is written to and never replaced."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISFIFO(mode)


def check_writable(path: Path) -> None:
    """Check before a long run that a file can be written at its end.

    Raises
    ------
    SettingsError
        If it is a folder, a socket or a read-only device, or its parent folder is missing or
        not writable.
    """
    if is_stream(path):
        if not os.access(path, os.W_OK):
            raise SettingsError(f"got {path}, want a file: this device is not writable")
        return
    target = _link_target(path)
    if target.is_dir():
        raise SettingsError(f"got {path}, want a file: this is a folder")
    if target.is_socket():
        raise SettingsError(f"got {path}, want a file: this is a socket")
    if not target.parent.is_dir() or not os.access(target.parent, os.W_OK):
        raise SettingsError(f"got {path}: its folder does not exist or is not writable")


def make_folder(path: Path) -> None:
    """Create a folder and its parents.

    Raises
    ------
    RankcastError
        If it cannot be created or exists as something other than a folder.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise RankcastError(f"{path}: cannot be created: {os_reason(exc)}") from exc


def fsync_folder(folder: Path) -> None:
    """Wait until the disk has the names of the files of a folder.

    Raises
    ------
    OSError
    """
    if os.name == "nt":  # opens no folders; NTFS keeps a journal of names
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_without_waiting(name: str, flags: int) -> int:
    """Open a file without waiting, as the `opener` of `open`: a FIFO cannot block it."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def os_reason(exc: BaseException) -> str:
    """Return the reason of an operating system error as one line, without number and path.

    Parameters
    ----------
    exc : BaseException
        Usually an OSError. If it has no message, as when a library fails to load, the reason is
        that of its cause.
    """
    if isinstance(exc, OSError):
        if exc.strerror:
            return " ".join(str(exc.strerror).split())
        number = exc.errno
        if number is None and len(exc.args) == 1 and type(exc.args[0]) is int:
            number = exc.args[0]  # OSError(28): a single argument does not set errno
        if number is not None:
            return os.strerror(number)
    message = " ".join(str(exc).split())
    cause = exc.__cause__ or exc.__context__
    if not message and cause is not None:
        return os_reason(cause)
    return message or type(exc).__name__


def _link_target(path: Path) -> Path:
    # `resolve` would make every path in messages absolute.
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _write_beside(path: Path, data: bytes, *, exclusive: bool, fsync: bool) -> None:
    """Write a temporary file in the folder of `path` and give it that name."""
    temporary = _temporary_name(path)
    try:
        with temporary.open("xb") as file:
            file.write(data)
            if fsync:
                file.flush()
                os.fsync(file.fileno())
        if exclusive:
            _claim(temporary, path)
        else:
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if fsync:
        fsync_folder(path.parent)


def _temporary_name(path: Path) -> Path:
    # Without an image suffix, so that a replay of the folder skips it.
    end = f".{secrets.token_hex(4)}.part"
    try:
        limit = os.pathconf(path.parent, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # Windows; a missing folder
        limit = _NAME_BYTES
    name = path.name
    if len(os.fsencode(name)) + len(end) + 1 > limit:
        name = os.fsencode(name)[: limit - len(end) - 1].decode("utf-8", "ignore")
    return path.with_name(f".{name}{end}")


def _claim(temporary: Path, path: Path) -> None:
    """Give `temporary` the name `path`; the second of two claimants gets FileExistsError."""
    if os.name == "nt":
        os.rename(temporary, path)  # Windows refuses an existing name by itself
        return
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # FAT and some network file systems have no links: an empty file reserves the name
        # until the complete one replaces it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        try:
            os.replace(temporary, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    else:
        # The file is complete, even if its temporary name cannot be removed.
        with suppress(OSError):
            temporary.unlink()


def _write_into(path: Path, data: bytes) -> None:
    """Write to a device or FIFO; give up if nothing reads it in time."""
    descriptor = _open_stream(path)
    try:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:
                if not select.select([], [descriptor], [], FIFO_TIMEOUT_S)[1]:
                    raise TimeoutError(
                        errno.ETIMEDOUT, f"its reader accepted no data for {FIFO_TIMEOUT_S:g} s"
                    ) from None
    finally:
        os.close(descriptor)


def _open_stream(path: Path) -> int:
    flags = os.O_WRONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    deadline = time.monotonic() + FIFO_TIMEOUT_S
    while True:
        try:
            return os.open(path, flags)
        except OSError as exc:
            # ENXIO: nobody has opened the FIFO for reading yet.
            if exc.errno != errno.ENXIO or not path.is_fifo():
                raise
            if time.monotonic() >= deadline:
                raise TimeoutError(
                    errno.ETIMEDOUT, f"no process read this FIFO within {FIFO_TIMEOUT_S:g} s"
                ) from exc
        time.sleep(_FIFO_POLL_S)
