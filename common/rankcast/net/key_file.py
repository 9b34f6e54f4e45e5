"""Key files: small TOML files with CURVE keys, as 40 characters of Z85.

- ``NAME.key`` contains a secret key and stays on its machine (mode 0600);
- ``NAME.pub`` contains the public key, for the other end. In a sender's folder of authorised keys
  it may also contain a role, and the cameras that the key may see.

No message ever quotes the content of such a file: it may be a secret.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import stat
import struct
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import zmq
from zmq.utils import z85

from rankcast.atomic_file import open_without_waiting, os_reason
from rankcast.credentials import shown_address
from rankcast.errors import RankcastError, SettingsError
from rankcast.wire import check_name

log = logging.getLogger(__name__)

SECRET_SUFFIX: Final = ".key"
PUBLIC_SUFFIX: Final = ".pub"
MAX_FILE_BYTES: Final = 4096
Z85_CHARS: Final = 40
KEY_BYTES: Final = 32
MAX_CAMERAS: Final = 64
"""Most cameras in one file, which has to stay below `MAX_FILE_BYTES`."""

_NAME: Final = re.compile(r"[a-z0-9_-]{1,32}")
_READABLE_BY_OTHERS: Final = 0o077
_WRITABLE_BY_OTHERS: Final = 0o022


class Role(StrEnum):
    """What a key may do at a sender."""

    VIEWER = "viewer"
    """Watch; read status and settings, ping, report, ask for keyframes."""
    OPERATOR = "operator"
    """The same, plus change settings and fetch originals."""


@dataclass(frozen=True, slots=True)
class SecretKey:
    """Both halves of a key pair."""

    secret: bytes = field(repr=False)
    """40 characters of Z85."""
    public: bytes


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a key pair, and the rights stated in its file."""

    public: bytes
    role: Role | None
    cameras: frozenset[str] | None = None
    """Cameras that the key may see; None is every camera."""


def check_key_name(name: str) -> str:
    """Return `name` if it is a valid name of a key.

    Raises
    ------
    SettingsError
        If `name` does not match ``[a-z0-9_-]{1,32}``.
    """
    if not _NAME.fullmatch(name):
        shown = shown_address(name)
        raise SettingsError(f"got key name {shown!r:.60}, want 1 to 32 of a-z, 0-9, _ and -")
    return name


def read_secret(path: Path) -> SecretKey:
    """Read ``NAME.key``.

    Raises
    ------
    SettingsError
        If the file cannot be read, is readable by others, belongs to another user, or is not a
        secret key.
    """
    values, status = _read(path)
    if "secret" not in values and "public" in values:
        raise SettingsError(f"{path}: is a public key, want the secret one (NAME.key)")
    forbidden = _READABLE_BY_OTHERS & ~(stat.S_IRGRP if _is_credential(path) else 0)
    _check_mode(path, status.st_mode, forbidden, "read")
    _check_owner(path, status.st_uid)
    if values.keys() != {"public", "secret"}:
        raise SettingsError(f"{path}: is not a secret key, want one of `rankcast keys new`")
    key = SecretKey(_z85(path, values, "secret"), _z85(path, values, "public"))
    if zmq.curve_public(key.secret) != key.public:
        raise SettingsError(f"{path}: its public and secret halves do not belong together")
    return key


def read_public(path: Path) -> PublicKey:
    """Read ``NAME.pub``.

    Raises
    ------
    SettingsError
        If the file cannot be read, is writable by others, or is not a public key.
    """
    values, status = _read(path)
    if "secret" in values:
        raise SettingsError(f"{path}: is a secret key, want the public one (NAME.pub)")
    _check_mode(path, status.st_mode, _WRITABLE_BY_OTHERS, "write")
    if "public" not in values or values.keys() - {"public", "role", "cameras"}:
        raise SettingsError(f"{path}: is not a public key, want one of `rankcast keys new`")
    role, cameras = values.get("role"), values.get("cameras")
    if role is not None and role not in list(Role):
        raise SettingsError(f"{path}: got role {role!r:.40}, want {' or '.join(Role)}")
    if cameras is not None and not isinstance(cameras, list):
        raise SettingsError(f'{path}: cameras is no list, want one such as ["line3", "line4"]')
    try:
        seen = None if cameras is None else check_cameras(cameras)
    except SettingsError as exc:
        raise SettingsError(f"{path}: {exc}") from None
    return PublicKey(_z85(path, values, "public"), None if role is None else Role(role), seen)


def check_cameras(names: Iterable[object]) -> frozenset[str]:
    """Return the cameras that a key may see, if these are 1 to 64 valid names.

    Raises
    ------
    SettingsError
    """
    # Whatever is no text is no name either.
    cameras = frozenset(check_name(name if isinstance(name, str) else "") for name in names)
    if not 1 <= len(cameras) <= MAX_CAMERAS:
        raise SettingsError(f"got {len(cameras)} cameras, want 1 to {MAX_CAMERAS}")
    return cameras


def secret_text(name: str, key: SecretKey) -> str:
    """Return the content of ``NAME.key``."""
    return (
        f"# Secret key: keep it on this machine. Anybody who can read it can act as {name}.\n"
        f'public = "{key.public.decode()}"\nsecret = "{key.secret.decode()}"\n'
    )


def public_text(key: PublicKey) -> str:
    """Return the content of ``NAME.pub``."""
    role = "" if key.role is None else f'role = "{key.role}"\n'
    names = ", ".join(f'"{name}"' for name in sorted(key.cameras or ()))
    cameras = "" if key.cameras is None else f"cameras = [{names}]\n"
    return f'public = "{key.public.decode()}"\n{role}{cameras}'


def create_file(path: Path, text: str, mode: int) -> None:
    """Create a file that is never accessible to more users than `mode` allows.

    Raises
    ------
    RankcastError
        If it exists or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
        try:
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise RankcastError(f"{path}: cannot be written: {os_reason(exc)}") from exc


def replace_file(path: Path, text: str, mode: int) -> None:
    """Replace a file atomically: readers see either the old or the new content.

    Raises
    ------
    RankcastError
        If it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    create_file(temporary, text, mode)
    try:
        os.replace(temporary, path)
    except OSError as exc:
        temporary.unlink(missing_ok=True)
        raise RankcastError(f"{path}: cannot be written: {os_reason(exc)}") from exc


def make_key_folder(folder: Path) -> None:
    """Create a folder that only its owner can read.

    Raises
    ------
    RankcastError
        If it cannot be created.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise RankcastError(f"{folder}: cannot be created: {os_reason(exc)}") from exc


def list_key_folder(folder: Path) -> list[Path]:
    """Return the files of a folder of keys, sorted, without hidden ones.

    Raises
    ------
    SettingsError
        If it cannot be read, or others may write to it.
    """
    try:
        status = folder.stat()
        if not stat.S_ISDIR(status.st_mode):
            raise SettingsError(f"{folder}: is not a folder")
        _check_mode(folder, status.st_mode, _WRITABLE_BY_OTHERS, "write")
        # Hidden files are still being written.
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as exc:
        raise SettingsError(f"{folder}: cannot be read: {os_reason(exc)}") from exc


def _read(path: Path) -> tuple[dict[str, Any], os.stat_result]:
    """Return the values of a small TOML file, texts and lists, and the status of the opened file.

    Everything but `cameras` is text.
    """
    try:
        with open(path, "rb", opener=open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise SettingsError(f"{path}: is not a regular file")
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise SettingsError(f"{path}: cannot be read: {os_reason(exc)}") from exc
    try:
        if len(data) > MAX_FILE_BYTES:
            raise ValueError("too long")
        values = tomllib.loads(data.decode("ascii"))
        if not all(isinstance(values[name], str) for name in values.keys() - {"cameras"}):
            raise ValueError("not text")
    except (ValueError, RecursionError):
        # The error itself would quote the content.
        raise SettingsError(f"{path}: is not a key file, want one of `rankcast keys new`") from None
    return values, status


def _z85(path: Path, values: Mapping[str, Any], name: str) -> bytes:
    text: str = values[name]
    try:
        key = z85.decode(text)
    except (KeyError, ValueError, struct.error):
        key = b""
    # Z85 has several spellings of some keys; only the canonical one can be compared as text.
    if len(text) != Z85_CHARS or len(key) != KEY_BYTES or z85.encode(key) != text.encode():
        raise SettingsError(f"{path}: {name} is not a key, want {Z85_CHARS} characters of Z85")
    return text.encode("ascii")


def _is_credential(path: Path) -> bool:
    """Return whether systemd made this file for this service alone (``LoadCredential=``).

    It belongs to root, and an access list lets the user of the service read it; the mode then shows
    the mask of that list as the rights of the group.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    return os.path.isabs(folder) and path.resolve().is_relative_to(Path(folder).resolve())


def _check_owner(path: Path, owner: int) -> None:
    """Refuse a secret key of another user, who can read and replace it whatever its mode."""
    if os.name == "nt":
        return
    user = os.geteuid()
    if owner not in (user, 0):
        raise SettingsError(
            f"{path}: belongs to user {_user_name(owner)}, want {_user_name(user)}, who runs this, "
            f"or root: chown {_user_name(user)}"
        )


def _user_name(user: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _check_mode(path: Path, mode: int, forbidden: int, verb: str) -> None:
    if os.name == "nt":
        if verb == "read":
            log.warning("%s: cannot check who may read it on Windows", path)
        return
    if mode & forbidden:
        wanted = stat.S_IMODE(mode) & ~forbidden
        raise SettingsError(
            f"{path}: has mode {stat.S_IMODE(mode):04o}, others may {verb} it: chmod {wanted:o}"
        )
