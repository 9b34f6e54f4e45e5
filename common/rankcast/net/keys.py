"""Key files: who a station is, and whom it lets in.

A key is a small TOML file of its own, with CURVE keys as 40 characters of Z85:

- ``NAME.key``, the secret one, for the machine that it belongs to alone (mode 0600);
- ``NAME.pub``, the public one, for the other end. In a sender's folder of authorised keys it
  may hold a role too.

Nothing here ever puts a secret into a message: what is wrong is said without what stands there.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import stat
import struct
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final

import zmq
from zmq.utils import z85

from rankcast.atomic_file import open_without_waiting, os_reason
from rankcast.errors import RankcastError, SettingsError
from rankcast.net.transport import CurveClient, CurveServer, check_curve
from rankcast.printable import printable

log = logging.getLogger(__name__)

SECRET_SUFFIX: Final = ".key"
PUBLIC_SUFFIX: Final = ".pub"
MAX_FILE_BYTES: Final = 4096
MAX_AUTHORIZED: Final = 10_000
"""All files are read again each second."""
Z85_CHARS: Final = 40

_NAME = re.compile(r"[a-z0-9_-]{1,32}")
_READABLE_BY_OTHERS: Final = 0o077
_WRITABLE_BY_OTHERS: Final = 0o022


class Role(StrEnum):
    """What a key may do at a sender."""

    VIEWER = "viewer"
    """Watch; read the status and settings, ping, report, ask for key frames."""
    OPERATOR = "operator"
    """That, and change settings and fetch originals."""


@dataclass(frozen=True, slots=True)
class SecretKey:
    """Both halves of a key."""

    secret: bytes = field(repr=False)
    """40 characters of Z85."""
    public: bytes


@dataclass(frozen=True, slots=True)
class AuthorizedKey:
    """A public key that a sender lets in."""

    name: str
    public: bytes
    role: Role


@dataclass(frozen=True, slots=True)
class Authorized:
    """Everybody whom a sender lets in, at one moment."""

    by_public: Mapping[bytes, AuthorizedKey] = field(default_factory=lambda: MappingProxyType({}))

    def find(self, public: bytes) -> AuthorizedKey | None:
        """Whose key it is, if it is let in."""
        return self.by_public.get(public)

    def __len__(self) -> int:
        return len(self.by_public)


def check_key_name(name: str) -> str:
    """Return `name` if it may name a key.

    Raises
    ------
    SettingsError
        If it does not match ``[a-z0-9_-]{1,32}``.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(f"got key name {name!r:.60}, want 1 to 32 of a-z, 0-9, _ and -")
    return name


def new_key(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a key and write ``NAME.key`` with mode 0600 and ``NAME.pub``.

    Raises
    ------
    SettingsError
        If one of the files is there already: a key that is lost cannot be made again.
    RankcastError
        If the files cannot be written.
    """
    check_curve()
    check_key_name(name)
    secret_path, public_path = folder / (name + SECRET_SUFFIX), folder / (name + PUBLIC_SUFFIX)
    if taken := next((path for path in (secret_path, public_path) if os.path.lexists(path)), None):
        raise SettingsError(f"{printable(taken)} is there already: a key is never written over")
    _make_folder(folder)
    public, secret = zmq.curve_keypair()
    _write(
        secret_path,
        f"# Secret key: stays on this machine. Whoever reads it can act as {name}.\n"
        f'public = "{public.decode()}"\nsecret = "{secret.decode()}"\n',
        0o600,
    )
    _write(public_path, _public_text(public, None), 0o644)
    return secret_path, public_path


def load_secret(path: Path) -> SecretKey:
    """Read ``NAME.key``.

    Raises
    ------
    SettingsError
        If it cannot be read, others may read it, or it holds no key.
    """
    values, mode = _load(path)
    if "secret" not in values and "public" in values:
        raise SettingsError(f"{printable(path)}: is a public key, want the secret one (NAME.key)")
    _check_mode(path, mode, _READABLE_BY_OTHERS, "read")
    if values.keys() != {"public", "secret"}:
        raise SettingsError(f"{printable(path)}: is no secret key, want one of `rankcast keys new`")
    key = SecretKey(_z85(path, values, "secret"), _z85(path, values, "public"))
    if zmq.curve_public(key.secret) != key.public:
        raise SettingsError(
            f"{printable(path)}: its public and secret halves do not belong together"
        )
    return key


def load_public(path: Path) -> bytes:
    """Read ``NAME.pub``: 40 characters of Z85.

    Raises
    ------
    SettingsError
        If it cannot be read, others may write it, or it holds no public key.
    """
    return _load_public(path)[0]


def load_authorized(folder: Path) -> Authorized:
    """Read every ``NAME.pub`` of a folder: all of them, or none.

    Raises
    ------
    SettingsError
        If one file is no public key, has an unknown role, is a secret key, or can be written
        by others; if two hold the same key, of which revoking one would change nothing.
    """
    _check_folder(folder)
    found: dict[bytes, AuthorizedKey] = {}
    for path in _files(folder):
        if path.suffix == SECRET_SUFFIX:
            raise SettingsError(
                f"{printable(path)}: a secret key has no place among authorised ones, "
                "want its .pub: take it away and make a new one"
            )
        if path.suffix != PUBLIC_SUFFIX:
            continue
        name = check_key_name(path.stem)
        public, role = _load_public(path)
        if public in found:
            raise SettingsError(
                f"{printable(path)}: is the same key as {found[public].name}{PUBLIC_SUFFIX}"
            )
        found[public] = AuthorizedKey(name, public, role or Role.VIEWER)
    if len(found) > MAX_AUTHORIZED:
        raise SettingsError(
            f"{printable(folder)}: {len(found)} keys, the limit is {MAX_AUTHORIZED}"
        )
    return Authorized(MappingProxyType(found))


def authorize(public_file: Path, folder: Path, role: Role) -> Path:
    """Copy a public key into a folder of authorised ones, with its role; again to change it.

    Raises
    ------
    SettingsError
        If the file is no public key, or its name there belongs to another key.
    RankcastError
        If the folder does not take it.
    """
    name, (public, _) = check_key_name(public_file.stem), _load_public(public_file)
    _make_folder(folder)
    target = folder / (name + PUBLIC_SUFFIX)
    for known in load_authorized(folder).by_public.values():
        if known.public == public and known.name != name:
            raise SettingsError(f"this key is authorised already, as {known.name}")
        if known.name == name and known.public != public:
            raise SettingsError(f"{printable(target)} is another key: revoke {name} first")
    _replace(target, _public_text(public, role), 0o644)
    return target


def revoke(folder: Path, name: str) -> None:
    """Take a key out of a folder of authorised ones; running senders follow within 3 s.

    Raises
    ------
    SettingsError
        If there is none of that name; or if another file of the folder is malformed: the key is
        gone then, but senders keep the set that they had until that file is repaired.
    """
    path = folder / (check_key_name(name) + PUBLIC_SUFFIX)
    try:
        path.unlink()
    except FileNotFoundError:
        raise SettingsError(f"{printable(folder)}: no key {name} is authorised there") from None
    except OSError as exc:
        raise RankcastError(f"{printable(path)}: cannot be removed: {os_reason(exc)}") from exc
    try:
        load_authorized(folder)
    except SettingsError as exc:
        raise SettingsError(
            f"{name} is removed, but running senders keep letting it in until this is repaired: "
            f"{exc}"
        ) from exc


def server_keys(key: Path) -> CurveServer:
    """Keys of a sender."""
    check_curve()
    own = load_secret(key)
    return CurveServer(own.secret, own.public)


def client_keys(key: Path, servers: Sequence[Path]) -> tuple[CurveClient, ...]:
    """Keys of a receiver, one for each server key that it takes for the sender's.

    Raises
    ------
    SettingsError
        If there is no server key, or a file is wrong.
    """
    check_curve()
    if not servers:
        raise SettingsError("--key needs --server-key: the sender's .pub, or anybody could be it")
    own = load_secret(key)
    return tuple(CurveClient(own.secret, own.public, load_public(path)) for path in servers)


def _load_public(path: Path) -> tuple[bytes, Role | None]:
    values, mode = _load(path)
    if "secret" in values:
        raise SettingsError(f"{printable(path)}: is a secret key, want the public one (NAME.pub)")
    _check_mode(path, mode, _WRITABLE_BY_OTHERS, "write")
    if "public" not in values or values.keys() - {"public", "role"}:
        raise SettingsError(f"{printable(path)}: is no public key, want one of `rankcast keys new`")
    role = values.get("role")
    if role is not None and role not in list(Role):
        raise SettingsError(
            f"{printable(path)}: got role {printable(role)!r:.40}, want {' or '.join(Role)}"
        )
    return _z85(path, values, "public"), None if role is None else Role(role)


def _z85(path: Path, values: Mapping[str, str], name: str) -> bytes:
    text = values[name]
    try:
        key = z85.decode(text)
    except (KeyError, ValueError, struct.error):
        key = b""
    # Z85 has more than one spelling of some keys; only the usual one can be compared as text.
    if len(text) != Z85_CHARS or len(key) != 32 or z85.encode(key) != text.encode():
        raise SettingsError(
            f"{printable(path)}: {name} is no key, want {Z85_CHARS} characters of Z85"
        )
    return text.encode("ascii")


def _load(path: Path) -> tuple[dict[str, str], int]:
    """Text values of a small TOML file, and the mode of that very file."""
    try:
        with open(path, "rb", opener=open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise SettingsError(f"{printable(path)}: is no regular file")
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise SettingsError(f"{printable(path)}: cannot be read: {os_reason(exc)}") from exc
    try:
        if len(data) > MAX_FILE_BYTES:
            raise ValueError("too long")
        values = tomllib.loads(data.decode("ascii"))
        if not all(isinstance(value, str) for value in values.values()):
            raise ValueError("not text")
    except (ValueError, RecursionError):
        # No word of what stands there: it may be a secret.
        raise SettingsError(
            f"{printable(path)}: is no key file, want one of `rankcast keys new`"
        ) from None
    return values, status.st_mode


def _check_mode(path: Path, mode: int, forbidden: int, verb: str) -> None:
    if os.name == "nt":
        if forbidden == _READABLE_BY_OTHERS:
            log.warning("%s: who may read it cannot be checked on Windows", printable(path))
        return
    if mode & forbidden:
        wanted = stat.S_IMODE(mode) & ~forbidden
        raise SettingsError(
            f"{printable(path)}: has mode {stat.S_IMODE(mode):04o}, others may {verb} it: "
            f"chmod {wanted:o}"
        )


def _check_folder(folder: Path) -> None:
    try:
        status = folder.stat()
    except OSError as exc:
        raise SettingsError(f"{printable(folder)}: cannot be read: {os_reason(exc)}") from exc
    if not stat.S_ISDIR(status.st_mode):
        raise SettingsError(f"{printable(folder)}: is no folder")
    _check_mode(folder, status.st_mode, _WRITABLE_BY_OTHERS, "write")


def _files(folder: Path) -> list[Path]:
    try:
        # Hidden files are those that are being written.
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as exc:
        raise SettingsError(f"{printable(folder)}: cannot be read: {os_reason(exc)}") from exc


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise RankcastError(f"{printable(folder)}: cannot be made: {os_reason(exc)}") from exc


def _public_text(public: bytes, role: Role | None) -> str:
    return f'public = "{public.decode()}"\n' + ("" if role is None else f'role = "{role}"\n')


def _write(path: Path, text: str, mode: int) -> None:
    """Write a new file that never was readable by more than `mode` says."""
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
        raise RankcastError(f"{printable(path)}: cannot be written: {os_reason(exc)}") from exc


def _replace(path: Path, text: str, mode: int) -> None:
    """Put a file in place of another; a reader sees the one or the other, whole."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    _write(temporary, text, mode)
    try:
        os.replace(temporary, path)
    except OSError as exc:
        temporary.unlink(missing_ok=True)
        raise RankcastError(f"{printable(path)}: cannot be written: {os_reason(exc)}") from exc
