"""``rankcast keys``: make keys, hand them to senders, take them back."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from rankcast.commands.terminal import console
from rankcast.net import Role, authorize, load_authorized, new_key, revoke
from rankcast.printable import printable


@click.group()
def keys() -> None:
    """Make the keys of senders and viewers, and say whom a sender lets in."""


@keys.command()
@click.argument("name", metavar="NAME")
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path(), metavar="DIR",
              help="Folder of the two files [the current one].")  # fmt: skip
def new(name: str, folder: Path) -> None:
    """Make NAME.key, which stays on its machine, and NAME.pub, which the other end gets."""
    secret, public = new_key(folder, name)
    click.echo(f"{printable(secret)}: secret, keep it on this machine")
    click.echo(f"{printable(public)}: public, give it to the other end")


@keys.command("authorize")
@click.argument("public_file", metavar="NAME.pub", type=click.Path(path_type=Path))
@click.option("--dir", "folder", type=click.Path(path_type=Path), required=True, metavar="DIR",
              help="The sender's folder of authorised keys.")  # fmt: skip
@click.option("--role", type=click.Choice([str(role) for role in Role]),
              default=str(Role.VIEWER), metavar="ROLE",
              help="viewer or operator, who may change settings too [viewer].")  # fmt: skip
def authorize_key(public_file: Path, folder: Path, role: str) -> None:
    """Let the owner of NAME.pub in; running senders follow within 3 s."""
    target = authorize(public_file, folder, Role(role))
    click.echo(f"{printable(target)}: {role}")


@keys.command("list")
@click.option("--dir", "folder", type=click.Path(path_type=Path), required=True, metavar="DIR",
              help="The sender's folder of authorised keys.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_keys(folder: Path, as_json: bool) -> None:
    """Say who is let in, and as what."""
    known = sorted(load_authorized(folder).by_public.values(), key=lambda key: key.name)
    if as_json:
        entries = {
            key.name: {"role": str(key.role), "public": key.public.decode()} for key in known
        }
        click.echo(json.dumps(entries, indent=2))
        return
    table = Table("name", "role", "public key", box=None, padding=(0, 2, 0, 0))
    for key in known:
        # Text and not markup: Z85 has square brackets.
        table.add_row(key.name, str(key.role), Text(key.public.decode()))
    console().print(table)


@keys.command("revoke")
@click.argument("name", metavar="NAME")
@click.option("--dir", "folder", type=click.Path(path_type=Path), required=True, metavar="DIR",
              help="The sender's folder of authorised keys.")  # fmt: skip
def revoke_key(name: str, folder: Path) -> None:
    """Let NAME in no more; running senders end its connections within 3 s."""
    revoke(folder, name)
    click.echo(f"{name}: revoked")
