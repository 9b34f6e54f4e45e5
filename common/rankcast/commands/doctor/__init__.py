"""The command ``rankcast doctor``: checks a station, and says what to do about each finding."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from rankcast.commands.doctor.finding import Finding, Verdict
from rankcast.commands.doctor.libraries import ZEROMQ, check_libraries
from rankcast.commands.terminal import console
from rankcast.path_parameter import PATH
from rankcast.printable import printable

__all__ = ["doctor"]

DEFAULT_PORT: Final = 5555
DEFAULT_HOST: Final = "127.0.0.1"
HIGHEST_PORT: Final = 65_525
"""The control port, ten above, is the last one."""
_STYLES: Final = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.STOPS: "bold red"}


@click.command()
@click.option("--port", type=click.IntRange(1, HIGHEST_PORT), default=DEFAULT_PORT, metavar="N",
              help=f"Port of frames that a sender would use [{DEFAULT_PORT}].")  # fmt: skip
@click.option("--host", default=DEFAULT_HOST, metavar="HOST",
              help=f"Address at which to try the ports, * for all [{DEFAULT_HOST}].")  # fmt: skip
@click.option("--key", "keys", type=PATH, multiple=True, metavar="FILE",
              help="Key file, or folder of authorised keys, to check; repeatable.")  # fmt: skip
@click.option("--folder", type=PATH, default=None, metavar="DIR",
              help="Folder for pictures and recordings [the current one].")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(port: int, host: str, keys: tuple[Path, ...], folder: Path | None, as_json: bool) -> int:
    """Check this station: libraries, native core, buffers, ports, clock, keys and disk.

    Exit code 1 if something would stop a stream.
    """
    findings = list(_findings(port, host, keys, folder))
    stopping = [finding for finding in findings if finding.verdict is Verdict.STOPS]
    if as_json:
        values = [finding.values() for finding in findings]
        click.echo(json.dumps({"sound": not stopping, "findings": values}, indent=2))
    else:
        console().print(_table(findings))
    return 1 if stopping else 0


def _findings(
    port: int, host: str, keys: tuple[Path, ...], folder: Path | None
) -> Iterator[Finding]:
    libraries = list(check_libraries())
    yield from libraries
    if any(x.subject == ZEROMQ and x.verdict is Verdict.STOPS for x in libraries):
        return  # what follows imports it
    from rankcast.commands.doctor.storage import check_folder, check_key
    from rankcast.commands.doctor.system import check_system

    yield from check_system(port, host)
    for key in keys:
        yield check_key(key)
    # Nobody may want to write to the current directory.
    yield from check_folder((folder or Path()).absolute(), needed=folder is not None)


def _table(findings: list[Finding]) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        words = Text(printable(finding.found))
        if finding.advice:
            words.append(f"\n-> {printable(finding.advice)}")
        verdict = Text(finding.verdict, style=_STYLES[finding.verdict])
        table.add_row(Text(printable(finding.subject)), verdict, words)
    return table
