"""``rankcast find --nats``: the cameras of every site at a NATS server, with state and losses."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

import click
from rich.table import Table
from rich.text import Text

from rankcast.commands.terminal import console
from rankcast.errors import NoStreamError
from rankcast.nats import NatsAddress, NatsOptions, join_name
from rankcast.nats.client import Fleet, FleetCamera, list_fleet
from rankcast.runtime import losses_text

COLUMNS: Final = ("camera", "state", "fps", "viewers", "lost", "codec", "source")


def list_cameras(server: str, options: NatsOptions, seconds: float, *, as_json: bool) -> int:
    """Print the cameras at a NATS server.

    Raises
    ------
    NoStreamError
        If the server cannot be reached, or there are none.
    SettingsError
        If the address or a setting is wrong.
    """
    address = NatsAddress.of(server)
    fleet = list_fleet(address, options, seconds)
    if as_json:
        click.echo(json.dumps({"cameras": [_entry(camera) for camera in fleet.cameras]}, indent=2))
    elif sys.stdout.isatty():
        _print_table(fleet)
    else:
        for camera in fleet.cameras:
            click.echo("\t".join(cell or "-" for cell in _cells(camera)))
    if fleet.refused:
        click.echo(f"{fleet.refused} messages are no status and were ignored", err=True)
    if fleet.left_off:
        click.echo(f"more than {len(fleet.cameras)} cameras: the others are not listed", err=True)
    if fleet.cameras:
        return 0
    where = f"site {options.site} at {address}" if options.site else str(address)
    raise NoStreamError(f"no camera is published within {seconds:g} s: {where}")


def _cells(camera: FleetCamera) -> tuple[str, ...]:
    status = camera.status
    return (
        join_name(camera.site, camera.camera), status.state, f"{status.fps:.1f}",
        str(status.viewers), losses_text(status.lost), status.codec, status.source,
    )  # fmt: skip


def _entry(camera: FleetCamera) -> dict[str, Any]:
    status = camera.status
    return {
        "name": join_name(camera.site, camera.camera),
        "site": camera.site,
        "camera": camera.camera,
        "state": status.state,
        "fps": status.fps,
        "viewers": status.viewers,
        "grabbed": status.grabbed,
        "published": status.published,
        "lost": dict(status.lost),
        "viewers_lost": status.viewers_lost,
        "codec": status.codec,
        "source": status.source,
    }


def _print_table(fleet: Fleet) -> None:
    if not fleet.cameras:
        return
    table = Table(*COLUMNS, box=None, padding=(0, 2, 0, 0))
    for camera in fleet.cameras:
        # Text, not markup: what a peer says is printed as it is.
        table.add_row(*(Text(cell or "-", overflow="fold") for cell in _cells(camera)))
    console().print(table)
