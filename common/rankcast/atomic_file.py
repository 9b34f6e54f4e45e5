"""Files that are read and written whole: a packet, a picture, a report."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from rankcast.errors import LimitError, RankcastError, SettingsError
from rankcast.printable import printable


def read_whole(path: Path, max_bytes: int) -> bytes:
    """Read a file of at most `max_bytes`.

    Raises
    ------
    RankcastError
        If it cannot be read, is no regular file or is larger; the size is checked first.
    """
    try:
        with open(path, "rb", opener=open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise RankcastError(f"{printable(path)}: is no regular file")
            if status.st_size > max_bytes:
                raise LimitError(
                    f"{printable(path)}: has {status.st_size} bytes, the limit is {max_bytes}"
                )
            return file.read(max_bytes)
    except OSError as exc:
        raise RankcastError(f"{printable(path)}: cannot be read: {os_reason(exc)}") from exc


def write_whole(path: Path, data: bytes, *, exclusive: bool = False) -> None:
    """Write a file that appears whole under its name or not at all.

    Parameters
    ----------
    path : Path
    data : bytes
    exclusive : bool, optional
        Refuse a name that is taken, also when another process takes it at the same moment;
        otherwise the file there is replaced.

    Raises
    ------
    RankcastError
        If the disk or the folder does not take it.
    FileExistsError
        If `exclusive` and the name is taken.
    """
    # The temporary name has no suffix of its own, so that a replay of the folder passes it over.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        try:
            with temporary.open("xb") as file:
                file.write(data)
            if exclusive:
                _claim(temporary, path)
            else:
                os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as exc:
        if exclusive and isinstance(exc, FileExistsError):
            raise
        raise RankcastError(f"{printable(path)}: cannot be written: {os_reason(exc)}") from exc
    except ValueError as exc:  # a NUL in the name
        raise RankcastError(f"{printable(path)}: cannot be written: {exc}") from exc


def check_writable(path: Path) -> None:
    """Refuse a file name that cannot be written at the end of a long run.

    Raises
    ------
    SettingsError
        If it is a folder, or its own folder is missing or not writable.
    """
    folder = path.parent
    if path.is_dir():
        raise SettingsError(f"got {printable(path)}, want a file: this is a folder")
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise SettingsError(f"got {printable(path)}: its folder does not exist or is not writable")


def make_folder(path: Path) -> None:
    """Make a folder and its parents.

    Raises
    ------
    RankcastError
        If something else stands there or the disk does not take it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise RankcastError(f"{printable(path)}: cannot be made: {os_reason(exc)}") from exc


def open_without_waiting(name: str, flags: int) -> int:
    """Opener for `open` that a named pipe cannot hold for ever."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def _claim(temporary: Path, path: Path) -> None:
    """Give `temporary` the name `path`; whoever comes second gets FileExistsError."""
    if os.name == "nt":
        os.rename(temporary, path)  # Windows refuses a taken name by itself
        return
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # FAT and some network file systems have no links: an empty file holds the name for the
        # moment until the whole one replaces it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        try:
            os.replace(temporary, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    else:
        # The file stands; a second name that cannot go is no reason to call it unwritten.
        with suppress(OSError):
            temporary.unlink()


def os_reason(exc: OSError) -> str:
    """What the operating system said, without number and path."""
    return exc.strerror or type(exc).__name__
