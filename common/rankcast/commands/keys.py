"""The command ``rankcast keys``: create keys, authorise them at a sender, revoke them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from rankcast.commands.terminal import console
from rankcast.net import (
    Role,
    authorize,
    check_cameras,
    load_authorized,
    new_key,
    revoke,
    rights_text,
)
from rankcast.path_parameter import PATH
from rankcast.printable import printable

EVERY_CAMERA: Final = "*"
"""No name of a camera."""


@click.group()
def keys() -> None:
    """Create keys for senders and viewers, and choose which keys a sender accepts."""


@keys.command()
@click.argument("name", metavar="NAME")
@click.option("--dir", "folder", type=PATH, default=Path(), metavar="DIR",
              help="Folder for both files.  [default: current folder]")  # fmt: skip
def new(name: str, folder: Path) -> None:
    """Create a key pair: NAME.key for this machine, NAME.pub for the other end."""
    secret, public = new_key(folder, name)
    click.echo(f"{printable(secret)}: secret, keep it on this machine")
    click.echo(f"{printable(public)}: public, give it to the other end")


@keys.command("authorize")
@click.argument("public_file", metavar="NAME.pub", type=PATH)
@click.option("--dir", "folder", type=PATH, required=True, metavar="DIR",
              help="The sender's folder of authorised keys.")  # fmt: skip
@click.option("--role", type=click.Choice([str(role) for role in Role]),
              default=str(Role.VIEWER), metavar="ROLE",
              help="viewer, or operator, who may change settings.  [default: viewer]")  # fmt: skip
@click.option("--cameras", metavar="NAME,...",
              help="Cameras that the key may see, or * for every camera.  "
                   "[default: those of before, every camera for a new key]")  # fmt: skip
def authorize_key(public_file: Path, folder: Path, role: str, cameras: str | None) -> None:
    """Authorise the key NAME.pub; running senders accept it within 3 s.

    Repeat it to change the role and the cameras.
    """
    allowed = _allowed(cameras, public_file.stem, folder)
    target = authorize(public_file, folder, Role(role), allowed)
    click.echo(f"{printable(target)}: {rights_text(Role(role), allowed)}")


def _allowed(cameras: str | None, name: str, folder: Path) -> frozenset[str] | None:
    """Return the cameras that a key may see from now on; None is every camera.

    To leave the option out never shows a key more than it saw before.
    """
    if cameras == EVERY_CAMERA:
        return None
    if cameras is not None:
        return check_cameras(cameras.split(","))
    if not folder.is_dir():
        return None
    known = load_authorized(folder).by_public.values()
    return next((key.cameras for key in known if key.name == name), None)


@keys.command("list")
@click.option("--dir", "folder", type=PATH, required=True, metavar="DIR",
              help="The sender's folder of authorised keys.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_keys(folder: Path, as_json: bool) -> None:
    """List the authorised keys, their roles and the cameras that they may see."""
    known = sorted(load_authorized(folder).by_public.values(), key=lambda key: key.name)
    if as_json:
        entries = {
            key.name: {
                "role": str(key.role),
                "cameras": None if key.cameras is None else sorted(key.cameras),
                "public": key.public.decode(),
            }
            for key in known
        }
        click.echo(json.dumps(entries, indent=2))
        return
    table = Table("name", "role", "public key", "cameras", box=None, padding=(0, 2, 0, 0))
    for key in known:
        # Text, not markup: Z85 contains square brackets.
        cameras = "all" if key.cameras is None else ", ".join(sorted(key.cameras))
        table.add_row(key.name, str(key.role), Text(key.public.decode(), no_wrap=True), cameras)
    console().print(table)


@keys.command("revoke")
@click.argument("name", metavar="NAME")
@click.option("--dir", "folder", type=PATH, required=True, metavar="DIR",
              help="The sender's folder of authorised keys.")  # fmt: skip
def revoke_key(name: str, folder: Path) -> None:
    """Revoke the key NAME; running senders disconnect it within 3 s."""
    revoke(folder, name)
    click.echo(f"{name}: revoked")
