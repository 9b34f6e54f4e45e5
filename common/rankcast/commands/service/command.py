"""Commands that install an end as a service of systemd, and remove it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from rankcast.commands.service.manager import SystemdManager
from rankcast.commands.service.options import absolute_options
from rankcast.commands.service.unit import (
    ENDS,
    check_visible,
    service_command,
    unit_text,
)
from rankcast.credentials import shown_address
from rankcast.errors import RankcastError, SettingsError
from rankcast.path_parameter import PATH
from rankcast.printable import printable
from rankcast.python_process import python_command

_NAME: Final = re.compile(r"[a-z0-9_-]{1,32}")
_CHECK_S: Final = 120.0
_SETTINGS_VARIABLES: Final = ("RANKCAST_SEND__", "RANKCAST_RECEIVE__")
_USER_HELP: Final = "For the service manager of this user, which needs no root."


@click.group()
def service() -> None:
    """Install a sender, a receiver or a relay as a service of systemd."""


@service.command()
@click.argument("end", type=click.Choice(list(ENDS)), metavar="send|receive|relay")
@click.argument("options", nargs=-1, metavar="[-- OPTIONS...]")
@click.option("--config", type=PATH, metavar="FILE", help="Settings file of the service.")
@click.option("--name", metavar="NAME", help="The unit is rankcast-NAME [send, receive or relay].")
@click.option("--user", "for_user", is_flag=True, help=_USER_HELP)
@click.option("--no-start", is_flag=True, help="Only write the unit, as for an image of a disk.")
@click.option("--dry-run", is_flag=True, help="Print the unit, and change nothing.")
def install(
    end: str,
    options: tuple[str, ...],
    config: Path | None,
    name: str | None,
    for_user: bool,
    no_start: bool,
    dry_run: bool,
) -> None:
    """Let the end check its settings, write the unit, enable the service and start it.

    OPTIONS are options of `rankcast send`, `receive` or `relay`; relative paths in them start in
    the current folder. A unit that this command wrote before is replaced.
    """
    unit = _unit_name(end if name is None else name)
    manager = SystemdManager(for_user=for_user)
    words, paths = absolute_options(end, options)
    command = service_command(end, config, words)
    text = unit_text(end, command, for_user=for_user)
    if not dry_run:
        manager.check_platform()
        manager.check_rights()
        manager.check_account()
    if not for_user:
        check_visible(
            [Path(command[0]), Path(sys.base_prefix), *([config] if config else []), *paths]
        )
    _check_settings([*command[command.index(end) :], "--check"], manager)
    if dry_run:
        click.echo(text, nl=False)
        return
    if not no_start and not manager.is_running:
        raise RankcastError(
            "no systemd runs here to start the service: use --no-start to only write the unit, or "
            "run the command itself in a container"
        )
    path = manager.install(unit, text, start=not no_start)
    if no_start:
        click.echo(f"{printable(path)}: written; systemd reads it when it starts, or after")
        click.echo("    " + " ".join(manager.command("daemon-reload")))
        click.echo("    " + " ".join(manager.command("enable", "--now", path.name)))
        return
    click.echo(f"{printable(path)}: written, enabled and started")
    click.echo("    " + " ".join(manager.command("status", path.name)))
    if for_user:
        click.echo("    loginctl enable-linger    # keeps it running without a login")


@service.command()
@click.argument("name", metavar="NAME")
@click.option("--user", "for_user", is_flag=True, help=_USER_HELP)
def uninstall(name: str, for_user: bool) -> None:
    """Stop the service rankcast-NAME and remove its unit; settings, keys and pictures stay."""
    unit = _unit_name(name)
    manager = SystemdManager(for_user=for_user)
    manager.check_platform()
    manager.check_rights()
    path = manager.uninstall(unit)
    click.echo(f"{printable(path)}: stopped and removed")


def _unit_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        shown = shown_address(name)
        raise SettingsError(f"got service name {shown!r:.60}, want 1 to 32 of a-z, 0-9, _ and -")
    return f"rankcast-{name}"


def _check_settings(arguments: Sequence[str], manager: SystemdManager) -> None:
    """Let the end itself check its settings, as the user that will run it where possible.

    Raises
    ------
    SettingsError
        With the line that the end says, or if the service would open a window.
    """
    # The service has no variables of this shell.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_SETTINGS_VARIABLES)}
    command = python_command("-m", "rankcast", *arguments)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_CHECK_S,
            cwd=manager.state_folder(), **manager.identity(environment),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise RankcastError(f"the settings cannot be checked: {exc}") from exc
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        reason = said[-1].removeprefix("rankcast: ").removeprefix("Error: ")
        raise SettingsError(f"the service would not start: {reason}")
    # A sender has no such table.
    if tomllib.loads(done.stdout).get("display", {}).get("enabled"):
        raise SettingsError(
            "the service would not start: got --display (display.enabled), and a service has no "
            "screen: leave it out, and show the cameras in browsers with --web HOST:PORT"
        )
