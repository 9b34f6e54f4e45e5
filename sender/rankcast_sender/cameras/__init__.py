"""The command ``rankcast cameras``: lists what `rankcast send` can open on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import click
from rich.table import Table
from rich.text import Text

from rankcast.commands.terminal import console
from rankcast_sender.cameras.families import FAMILIES, Family, search
from rankcast_sender.cameras.found import FoundCamera, Search

__all__ = ["FAMILIES", "Family", "FoundCamera", "Search", "cameras"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def cameras(as_json: bool) -> None:
    """List the cameras of this machine, and what is missing to open others.

    The first column is what to give to send --source. Cameras are opened for a moment to read
    their formats, unless another program holds them.
    """
    searches = {family.name: search(family) for family in FAMILIES}
    if as_json:
        click.echo(json.dumps(_values(searches), indent=2))
        return
    found = [camera for result in searches.values() for camera in result.cameras]
    if found:
        console().print(_table(found))
    else:
        click.echo("no camera found")
    for name, result in searches.items():
        if result.missing:
            click.echo(f"for {name} cameras: {result.missing}")


def _values(searches: Mapping[str, Search]) -> Mapping[str, object]:
    return {
        "cameras": [asdict(camera) for result in searches.values() for camera in result.cameras],
        "missing": {name: result.missing for name, result in searches.items() if result.missing},
    }


def _table(found: list[FoundCamera]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("source", "model", "serial", "formats"):
        table.add_column(title, overflow="fold")
    for camera in found:
        link = f" ({camera.link})" if camera.link else ""
        named = f', named "{camera.name}"' if camera.name else ""
        formats = (
            Text(camera.problem, "yellow") if camera.problem else Text(", ".join(camera.formats))
        )
        table.add_row(
            Text(camera.source), Text(f"{camera.model}{link}{named}"), Text(camera.serial), formats
        )
    return table
