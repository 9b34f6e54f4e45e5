"""Options of an end, as a service has them: with absolute paths."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

import click

from rankcast.errors import RankcastError, SettingsError
from rankcast.path_parameter import PathParameter
from rankcast.user_path import expand_path


def absolute_options(end: str, options: Sequence[str]) -> tuple[list[str], list[Path]]:
    """Make the paths in options absolute, because a service runs in another folder.

    Parameters
    ----------
    end : {"send", "receive", "relay"}
    options : sequence of str
        As on the command line of the end.

    Returns
    -------
    words : list of str
        The same options. What is no option of the end stays, for the end to refuse.
    paths : list of Path
        Those among them.

    Raises
    ------
    SettingsError
        If a path is empty or names the home of an unknown user.
    """
    known = {
        name: param
        for param in _command(end).params
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
    }
    words, paths, left = list[str](), list[Path](), list(options)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        option = known.get(name)
        words.append(word)
        if option is None or option.is_flag or not (equals or left):
            continue
        if not equals:
            value = left.pop(0)
            words.append(value)
        if isinstance(option.type, PathParameter):
            try:
                path = Path(expand_path(value)).absolute()
            except ValueError as exc:
                raise SettingsError(f"{name}: {exc}") from exc
            paths.append(path)
            words[-1] = f"{name}={path}" if equals else str(path)
    return words, paths


def _command(end: str) -> click.Command:
    """Load the command of an end, which this package may not import."""
    for entry in entry_points(group="rankcast.commands", name=end):
        command = entry.load()
        if isinstance(command, click.Command):
            return command
    raise RankcastError(f"`rankcast {end}` is missing: install Rankcast again")
