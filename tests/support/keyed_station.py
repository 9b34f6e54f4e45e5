"""The key files of a camera station and its viewers, and senders that use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rankcast.net import CurveClient, Role, authorize, client_keys, new_key
from rankcast.net.key_file import read_secret
from support.viewers import sending

JPEG = ("--codec", "jpeg")


class KeyedStation:
    """The key files of a camera station and its viewers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authorized = folder / "authorized"
        self.authorized.mkdir(mode=0o700)
        new_key(folder, "cam")

    def make(self, name: str, role: Role | None = Role.VIEWER) -> list[str]:
        """Make a key, authorise it if it has a role, and return the options of its viewer."""
        _, public = new_key(self.folder, name)
        if role is not None:
            authorize(public, self.authorized, role)
        return self.options(name)

    def options(self, name: str, *servers: str) -> list[str]:
        """Return the options of `receive` with the key `name`."""
        options = ["--key", str(self.folder / f"{name}.key")]
        for server in servers or ("cam",):
            options += ["--server-key", str(self.folder / f"{server}.pub")]
        return options

    def curves(self, name: str, *servers: str) -> tuple[CurveClient, ...]:
        """Return the same for the Python API."""
        paths = [self.folder / f"{server}.pub" for server in servers or ("cam",)]
        return client_keys(self.folder / f"{name}.key", paths)

    def sending(self, *arguments: str, key: str = "cam", **options: Any) -> Any:
        """Start a sender with keys."""
        return sending(
            self.folder, "--key", str(self.folder / f"{key}.key"),
            "--authorized", str(self.authorized), *JPEG, *arguments, **options,
        )  # fmt: skip

    def secrets(self) -> list[str]:
        """Every secret there is."""
        return [read_secret(path).secret.decode() for path in self.folder.glob("*.key")]
