"""Commands that install an end as a service of systemd, and remove it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from rankcast.commands.service.manager import ACCOUNT, SystemdManager, account_exists
from rankcast.commands.service.unit import (
    ENDS,
    check_visible,
    service_command,
    unit_text,
)
from rankcast.errors import RankcastError, SettingsError
from rankcast.path_parameter import PATH
from rankcast.printable import printable
from rankcast.python_process import python_command

_NAME: Final = re.compile(r"[a-z0-9_-]{1,32}")
_CHECK_S: Final = 120.0
_USER_HELP: Final = "For the service manager of this user, which needs no root."


@click.group()
def service() -> None:
    """Install a sender or a receiver as a service of systemd."""


@service.command()
@click.argument("end", type=click.Choice(list(ENDS)), metavar="send|receive")
@click.argument("options", nargs=-1, metavar="[-- OPTIONS...]")
@click.option("--config", type=PATH, metavar="FILE", help="Settings file of the service.")
@click.option("--name", metavar="NAME", help="The unit is rankcast-NAME [send or receive].")
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
    """Check the settings, write the unit, enable the service and start it.

    OPTIONS are options of `rankcast send` or `rankcast receive`. A unit that this command wrote
    before is replaced.
    """
    unit = _unit_name(end if name is None else name)
    manager = SystemdManager(for_user=for_user)
    command = service_command(end, config, options)
    text = unit_text(end, command, for_user=for_user)
    if not dry_run:
        manager.check_platform()
        manager.check_rights()
        manager.check_account()
    if not for_user:
        check_visible([Path(command[0]), Path(sys.base_prefix), *([config] if config else [])])
    _check_settings([*command[command.index(end) :], "--check"], for_user=for_user)
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
        raise SettingsError(f"got service name {name!r:.60}, want 1 to 32 of a-z, 0-9, _ and -")
    return f"rankcast-{name}"


def _check_settings(arguments: Sequence[str], *, for_user: bool) -> None:
    """Let the end itself check its settings, as the user that will run it where possible.

    Raises
    ------
    SettingsError
        With the line that the end says.
    """
    identity: dict[str, Any] = {}
    if not for_user and os.name == "posix" and os.geteuid() == 0 and account_exists():
        # Finds files that root can read but the service cannot.
        identity = {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": [], "cwd": "/"}
    command = python_command("-m", "rankcast", *arguments)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_CHECK_S, **identity
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise RankcastError(f"the settings cannot be checked: {exc}") from exc
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        reason = said[-1].removeprefix("rankcast: ").removeprefix("Error: ")
        raise SettingsError(f"the service would not start: {reason}")
