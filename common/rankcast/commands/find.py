"""The command ``rankcast find``: the cameras that senders announce on the local networks."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any, Final

import click
from rich.table import Table
from rich.text import Text

from rankcast.commands.nats_command_options import nats_options
from rankcast.commands.terminal import console
from rankcast.discovery import MAX_SERVICES, Announcement, Browse, browse
from rankcast.errors import NoStreamError, SettingsError
from rankcast.net import fingerprint

TABLE_COLUMNS: Final = 120
"""A fingerprint is compared and copied in one piece: a narrower terminal wraps the line itself."""


@click.command()
@click.option("--timeout", type=click.FloatRange(0.1, 60.0), default=2.0, metavar="S",
              help="How long to wait for answers.  [default: 2]")  # fmt: skip
@click.option("--nats", "server", metavar="nats://HOST:PORT",
              help="List the cameras of every site at a NATS server instead.")  # fmt: skip
@nats_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def find(
    timeout: float,
    server: str | None,
    config_file: Path | None,
    sets: tuple[str, ...],
    site: str | None,
    as_json: bool,
) -> int:
    """List the cameras that senders announce on the networks of this machine.

    Connect with `rankcast receive --connect NAME`. Exit code 4 if there are none.
    """
    if not math.isfinite(timeout):
        raise click.BadParameter(f"got {timeout}, want 0.1 to 60", param_hint="--timeout")
    if server is not None:
        # Settings and NATS take as long to load as the rest together.
        from rankcast.commands.fleet import list_cameras
        from rankcast.commands.nats_access import nats_access

        options = nats_access(config_file, sets, site)
        return list_cameras(server, options, timeout, as_json=as_json)
    if config_file is not None or sets or site is not None:
        raise SettingsError("got --config, --set or --site without --nats: add --nats ADDRESS")
    search = browse(timeout)
    if as_json:
        click.echo(json.dumps({"cameras": [_entry(camera) for camera in search.found]}, indent=2))
    elif sys.stdout.isatty():
        _print_table(search)
    else:
        for camera in search.found:
            click.echo("\t".join(cell or "-" for cell in _cells(camera)))
    if search.refused:
        click.echo(
            f"{_counted(search.refused, 'announcement')} malformed or incomplete and not listed",
            err=True,
        )
    if search.left_off:
        click.echo(
            f"{_counted(search.left_off, 'more camera')} not listed: at most {MAX_SERVICES} are",
            err=True,
        )
    if search.found:
        return 0
    raise NoStreamError(
        f"no camera is announced within {timeout:g} s: a sender is announced no further than "
        "its --bind address listens, and not with --no-announce"
    )


def _counted(number: int, noun: str) -> str:
    return f"1 {noun} is" if number == 1 else f"{number} {noun}s are"


def _cells(camera: Announcement) -> tuple[str, ...]:
    key = fingerprint(camera.key) if camera.key else ""
    return camera.name, camera.endpoint, camera.size_text, camera.codec, key


def _entry(camera: Announcement) -> dict[str, Any]:
    return {
        "name": camera.name,
        "camera": camera.camera,
        "host": camera.host,
        "addresses": list(camera.addresses),
        "port": camera.port,
        "endpoint": camera.endpoint,
        "width": camera.size[0] if camera.size else None,
        "height": camera.size[1] if camera.size else None,
        "codec": camera.codec or None,
        "fingerprint": fingerprint(camera.key) if camera.key else None,
        "public_key": camera.key.decode("ascii") or None,
    }


def _print_table(search: Browse) -> None:
    if not search.found:
        return
    table = Table("name", "address", "size", "codec", "key", box=None, padding=(0, 2, 0, 0))
    for camera in search.found:
        # Text, not markup: what a peer says is printed as it is.
        table.add_row(*(Text(cell or "-", overflow="fold") for cell in _cells(camera)))
    console(TABLE_COLUMNS).print(table)
