"""KnownCameras: the key that each camera had when it was first found by its name."""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
from pathlib import Path
from typing import Final

from zmq.utils import z85

from rankcast.atomic_file import open_without_waiting, os_reason
from rankcast.errors import RankcastError, SettingsError

FILE_NAME: Final = "known_cameras"
MAX_FILE_BYTES: Final = 262_144

_LINE: Final = re.compile(r"([A-Za-z0-9_.:@-]{1,128}) (\S{40})")
_WRITABLE_BY_OTHERS: Final = 0o022
_LOCK_S: Final = 5.0
"""Longest wait for a program that writes at the same time."""


class KnownCameras:
    """A file of lines ``NAME KEY``, read at every question.

    Lines are only ever appended, one program at a time, and the first one of a name counts.

    Parameters
    ----------
    path : Path
        Created with mode 0600 when the first key is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def key_of(self, name: str) -> bytes | None:
        """Return the key of a camera, 40 characters of Z85; None if it is not known yet.

        Raises
        ------
        SettingsError
            If the file cannot be read, others may write to it, or a line is malformed.
        """
        try:
            with open(self.path, "rb", opener=open_without_waiting) as file:
                self._check(os.fstat(file.fileno()))
                data = file.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise SettingsError(f"{self.path}: cannot be read: {os_reason(exc)}") from exc
        if len(data) > MAX_FILE_BYTES:
            raise SettingsError(f"{self.path}: is larger than {MAX_FILE_BYTES} bytes")
        for number, line in enumerate(data.decode("ascii", "replace").splitlines(), 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            match = _LINE.fullmatch(text)
            if match is None or not _is_key(match[2]):
                raise SettingsError(
                    f"{self.path}: line {number} is not CAMERA KEY; mend or remove it"
                )
            if match[1] == name:
                return match[2].encode("ascii")
        return None

    def add(self, name: str, key: bytes) -> bytes:
        """Append the key of a camera unless it has one; it is on the disk when this returns.

        Returns
        -------
        bytes
            The key that counts: another program may have added one meanwhile.

        Raises
        ------
        RankcastError
            If the file cannot be written.
        SettingsError
            As `key_of`.
        """
        from filelock import FileLock, Timeout  # takes as long to import as everything else here

        line = f"{name} {key.decode('ascii')}\n"
        assert _LINE.fullmatch(line.strip()), name
        if not self.path.parent.is_dir():  # FileLock would make it
            raise self._not_kept(name, "its folder does not exist")
        lock = FileLock(f"{self.path}.lock", timeout=_LOCK_S, mode=0o600)
        try:
            with lock:
                if self.key_of(name) is None:
                    self._append(line.encode("ascii"))
                kept = self.key_of(name)
        except Timeout as exc:
            raise self._not_kept(name, f"another program has locked {lock.lock_file}") from exc
        except NotImplementedError as exc:
            raise self._not_kept(name, "its file system has no locks") from exc
        except OSError as exc:
            raise self._not_kept(name, os_reason(exc)) from exc
        if kept is None:
            raise self._not_kept(name, "what was written is not what is read")
        return kept

    def _not_kept(self, name: str, reason: str) -> RankcastError:
        return RankcastError(
            f"{self.path}: the key of {name} cannot be kept: {reason}; give it with --server-key"
        )

    def _append(self, line: bytes) -> None:
        """Append a whole line, or nothing."""
        descriptor = os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size:
                os.lseek(descriptor, -1, os.SEEK_END)
                if os.read(descriptor, 1) != b"\n":  # edited by hand, or a write was torn
                    line = b"\n" + line
            written = os.write(descriptor, line)
            if written != len(line):
                os.ftruncate(descriptor, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _check(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise SettingsError(f"{self.path}: is not a regular file")
        if os.name == "nt":
            return
        if status.st_mode & _WRITABLE_BY_OTHERS:
            raise SettingsError(
                f"{self.path}: has mode {stat.S_IMODE(status.st_mode):04o}, others may write it: "
                "chmod 600"
            )
        if status.st_uid not in (os.geteuid(), 0):
            raise SettingsError(
                f"{self.path}: belongs to another user, want the one who runs this, or root"
            )


def _is_key(text: str) -> bool:
    try:
        return bool(z85.encode(z85.decode(text)) == text.encode("ascii"))
    except (KeyError, ValueError, struct.error):
        return False
