"""Authorised keys: the folder of public keys that a sender accepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from rankcast.atomic_file import os_reason
from rankcast.errors import RankcastError, SettingsError
from rankcast.net.key_file import (
    PUBLIC_SUFFIX,
    SECRET_SUFFIX,
    PublicKey,
    Role,
    check_key_name,
    list_key_folder,
    make_key_folder,
    public_text,
    read_public,
    replace_file,
)

MAX_AUTHORIZED: Final = 10_000
"""Most keys in a folder, because all files are read again every second."""


@dataclass(frozen=True, slots=True)
class AuthorizedKey:
    """A public key that a sender accepts."""

    name: str
    public: bytes
    role: Role
    cameras: frozenset[str] | None = None
    """Cameras that it may see; None is every camera of the sender."""

    @property
    def rights(self) -> str:
        """Its role and cameras, for people."""
        return rights_text(self.role, self.cameras)


def rights_text(role: Role, cameras: frozenset[str] | None) -> str:
    """Describe what a key may do, such as ``viewer of line3, line4``."""
    return str(role) if cameras is None else f"{role} of {', '.join(sorted(cameras))}"


@dataclass(frozen=True, slots=True)
class Authorized:
    """All keys that a sender accepts at one moment."""

    by_public: Mapping[bytes, AuthorizedKey] = field(default_factory=lambda: MappingProxyType({}))
    limits_cameras: bool = False
    """Whether one of them may see some cameras only."""

    def find(self, public: bytes) -> AuthorizedKey | None:
        """Return the authorised key with this public half, or None."""
        return self.by_public.get(public)

    def __len__(self) -> int:
        return len(self.by_public)


def load_authorized(folder: Path) -> Authorized:
    """Read every ``NAME.pub`` of a folder; one invalid file rejects them all.

    Raises
    ------
    SettingsError
        If a file is not a public key, has an unknown role, is a secret key, or is writable by
        others; or if two files contain the same key, because revoking one would have no effect.
    """
    found: dict[bytes, AuthorizedKey] = {}
    for path in list_key_folder(folder):
        if path.suffix == SECRET_SUFFIX:
            raise SettingsError(
                f"{path}: is a secret key among authorised ones, want its .pub: "
                "delete it and make a new key"
            )
        if path.suffix != PUBLIC_SUFFIX:
            continue
        name = check_key_name(path.stem)
        key = read_public(path)
        if key.public in found:
            raise SettingsError(
                f"{path}: is the same key as {found[key.public].name}{PUBLIC_SUFFIX}"
            )
        found[key.public] = AuthorizedKey(name, key.public, key.role or Role.VIEWER, key.cameras)
    if len(found) > MAX_AUTHORIZED:
        raise SettingsError(f"{folder}: {len(found)} keys, the limit is {MAX_AUTHORIZED}")
    limits_cameras = any(key.cameras is not None for key in found.values())
    return Authorized(MappingProxyType(found), limits_cameras)


def authorize(
    public_file: Path, folder: Path, role: Role, cameras: frozenset[str] | None = None
) -> Path:
    """Copy a public key into a folder of authorised keys; repeat it to change its rights.

    Parameters
    ----------
    public_file, folder : Path
    role : Role
    cameras : frozenset of str, optional
        Cameras that the key may see; None is every camera.

    Raises
    ------
    SettingsError
        If the file is not a public key, another key has this name, or this key has another name.
    RankcastError
        If the folder cannot be written.
    """
    name, public = check_key_name(public_file.stem), read_public(public_file).public
    make_key_folder(folder)
    target = folder / (name + PUBLIC_SUFFIX)
    for known in load_authorized(folder).by_public.values():
        if known.public == public and known.name != name:
            raise SettingsError(f"this key is authorised already, as {known.name}")
        if known.name == name and known.public != public:
            raise SettingsError(f"{target} is another key: revoke {name} first")
    replace_file(target, public_text(PublicKey(public, role, cameras)), 0o644)
    return target


def revoke(folder: Path, name: str) -> None:
    """Remove a key from a folder of authorised keys; running senders apply it within 3 s.

    Raises
    ------
    SettingsError
        If no key has this name; or if another file of the folder is malformed, in which case the
        key is removed, but senders keep the previous set until that file is repaired.
    """
    path = folder / (check_key_name(name) + PUBLIC_SUFFIX)
    try:
        path.unlink()
    except FileNotFoundError:
        raise SettingsError(f"{folder}: no key {name} is authorised there") from None
    except OSError as exc:
        raise RankcastError(f"{path}: cannot be removed: {os_reason(exc)}") from exc
    try:
        load_authorized(folder)
    except SettingsError as exc:
        raise SettingsError(
            f"{name} is removed, but running senders accept it until this is repaired: {exc}"
        ) from exc
