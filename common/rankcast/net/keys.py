"""Keys of a station: create them, and load them for a socket."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import zmq

from rankcast.errors import SettingsError
from rankcast.net.key_file import (
    PUBLIC_SUFFIX,
    SECRET_SUFFIX,
    PublicKey,
    SecretKey,
    check_key_name,
    create_file,
    make_key_folder,
    public_text,
    read_public,
    read_secret,
    secret_text,
)
from rankcast.net.transport import CurveClient, CurveServer, check_curve


def new_key(folder: Path, name: str) -> tuple[Path, Path]:
    """Create a key pair and write ``NAME.key``, with mode 0600, and ``NAME.pub``.

    Raises
    ------
    SettingsError
        If one of the files exists, because an overwritten key cannot be restored.
    RankcastError
        If the files cannot be written.
    """
    check_curve()
    check_key_name(name)
    secret_path, public_path = folder / (name + SECRET_SUFFIX), folder / (name + PUBLIC_SUFFIX)
    for path in (secret_path, public_path):
        if os.path.lexists(path):
            raise SettingsError(f"{path} exists already: keys are never overwritten")
    make_key_folder(folder)
    public, secret = zmq.curve_keypair()
    create_file(secret_path, secret_text(name, SecretKey(secret, public)), 0o600)
    create_file(public_path, public_text(PublicKey(public, None)), 0o644)
    return secret_path, public_path


def server_keys(key: Path) -> CurveServer:
    """Load the keys of a sender.

    Raises
    ------
    SettingsError
        If the file is not a secret key that only its owner can read.
    """
    check_curve()
    own = read_secret(key)
    return CurveServer(own.secret, own.public)


def client_keys(key: Path, servers: Sequence[Path]) -> tuple[CurveClient, ...]:
    """Load the keys of a receiver, one set for each trusted server key.

    Raises
    ------
    SettingsError
        If there is no server key, or a file is malformed.
    """
    check_curve()
    if not servers:
        raise SettingsError(
            "--key needs --server-key, the sender's .pub: without it anybody could impersonate "
            "the sender"
        )
    own = read_secret(key)
    return tuple(CurveClient(own.secret, own.public, read_public(path).public) for path in servers)


def pinned_keys(key: Path, server_public: bytes) -> CurveClient:
    """Load the keys of a receiver that trusts one server key, 40 characters of Z85.

    Raises
    ------
    SettingsError
        If the file is not a secret key that only its owner can read.
    """
    check_curve()
    own = read_secret(key)
    return CurveClient(own.secret, own.public, server_public)
