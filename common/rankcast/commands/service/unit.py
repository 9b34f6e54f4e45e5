"""Text of the units: those of config/systemd, with the command of this installation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rankcast.errors import RankcastError, SettingsError
from rankcast.python_process import installed_program

MARK: Final = "# Written by `rankcast service install`"
ENDS: Final = {"send": (), "receive": ("--stay",), "relay": ()}
"""What can be a service, and options that each has as a service."""
_HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""What ``ProtectHome=`` and ``PrivateTmp=`` of the units hide."""
_NOT_FOR_USERS: Final = frozenset(
    {
        "After",  # network-online.target is the system's
        "CapabilityBoundingSet",
        "DeviceAllow",
        "DevicePolicy",
        "PrivateDevices",
        "PrivateTmp",
        "ProtectControlGroups",
        "ProtectHome",
        "ProtectHostname",
        "ProtectKernelLogs",
        "ProtectKernelModules",
        "ProtectKernelTunables",
        "ProtectProc",
        "ProtectSystem",
        "RemoveIPC",
        "SupplementaryGroups",
        "User",
        "Wants",
    }
)
"""Directives that only the manager of the system has the rights for."""
# A wheel brings the files beside this module, a checkout has them in config.
_FOLDERS: Final = (
    Path(__file__).with_name("units"),
    Path(__file__).parents[4] / "config" / "systemd",
)


def service_command(end: str, config: Path | None, options: Sequence[str]) -> list[str]:
    """Return the command line of a service, with absolute paths.

    Parameters
    ----------
    end : {"send", "receive", "relay"}
    config : Path, optional
        Settings file.
    options : sequence of str
        Further options; the last one of its kind wins.
    """
    file = [] if config is None else ["--config", str(config.absolute())]
    return [*installed_program(), end, *ENDS[end], *file, *options]


def unit_text(end: str, command: Sequence[str], *, for_user: bool) -> str:
    """Return the unit of an end that runs `command`.

    Parameters
    ----------
    end : {"send", "receive", "relay"}
    command : sequence of str
    for_user : bool
        For the service manager of a user, which lacks the rights for most of the sandbox.

    Raises
    ------
    SettingsError
        If the command contains what a unit cannot.
    """
    start = f"ExecStart={' '.join([_program(command[0]), *map(_quoted, command[1:])])}"
    lines = [
        start if line.startswith("ExecStart=") else line for line in _template(end).splitlines()
    ]
    # The comment at the top is for those who copy the file by hand.
    body = lines[lines.index("[Unit]") :]
    if for_user:
        body = list(_for_users(body))
    head = f"{MARK}, which replaces it; change it with `systemctl edit`."
    return "\n".join([head, "", *body]) + "\n"


def check_visible(paths: Sequence[Path]) -> None:
    """Check that the service will see the files that it needs.

    Raises
    ------
    SettingsError
        If one lies where the sandbox of the unit lets no service look.
    """
    for path in paths:
        for shown in (path.absolute(), path.resolve()):
            for folder in _HIDDEN:
                if shown.is_relative_to(folder):
                    raise SettingsError(
                        f"got {shown}, which a service of the system cannot see: install Rankcast "
                        "and its settings outside of home and temporary folders, for example in "
                        "/opt/rankcast and /etc/rankcast, or use --user"
                    )


def _template(end: str) -> str:
    for folder in _FOLDERS:
        path = folder / f"rankcast-{end}.service"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise RankcastError(f"{_FOLDERS[0]}: the units are missing: install Rankcast again")


def _for_users(lines: Sequence[str]) -> Iterator[str]:
    """Drop what a user's service manager cannot do, and comments, which are mostly about it."""
    for line in lines:
        if line.startswith("#") or line.partition("=")[0] in _NOT_FOR_USERS:
            continue
        yield "WantedBy=default.target" if line.startswith("WantedBy=") else line


def _program(path: str) -> str:
    """Quote the path of a program, in which systemd replaces fewer characters than in options."""
    if re.search(r"[\\\"']", path):
        raise SettingsError(
            f"got the path {path!r:.200}, want one without quotes and backslashes: systemd "
            "starts no program with such a name"
        )
    return _quoted(path).replace("$$", "$")


def _quoted(word: str) -> str:
    """Quote a word for ``ExecStart=``: systemd.service(5), "Command lines"."""
    if not word.isprintable():
        raise SettingsError(f"got {word!r:.80}, want printable characters only in a unit")
    word = word.replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[\w@%+=:,./$*\[\]?&-]+", word, re.ASCII):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
