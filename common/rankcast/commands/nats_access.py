"""What `find` and `control` need to reach a NATS server: the table ``[nats]`` of a receiver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from rankcast.nats import NatsOptions
from rankcast.path_parameter import PATH
from rankcast.settings import NatsTable, Table, command_layers, validate

ENVIRONMENT_PREFIX: Final = "RANKCAST_RECEIVE__"


class _Access(Table):
    nats: NatsTable = NatsTable()


def nats_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a connection to a NATS server to a command."""
    for option in (
        click.option("--set", "sets", multiple=True, metavar="nats.A=B",
                     help="A setting of [nats], as nats.user=NAME; repeatable."),
        click.option("--config", "config_file", type=PATH, metavar="FILE",
                     help="Settings file, of which [nats] counts; see config/receiver.toml."),
        click.option("--site", metavar="NAME", help="Site at a NATS server."),
    ):  # fmt: skip
        command = option(command)
    return command


def nats_access(config_file: Path | None, sets: Sequence[str], site: str | None) -> NatsOptions:
    """Return how to reach a NATS server.

    Raises
    ------
    SettingsError
        If a setting is wrong.
    """
    layers = command_layers(config_file, ENVIRONMENT_PREFIX, {"--site": ("nats.site", site)}, sets)
    ours = [
        # Of a file and the environment, the rest is a receiver's.
        layer if layer.origin.startswith("--set") else replace(
            layer, values={key: value for key, value in layer.values.items() if key == "nats"}
        )
        for layer in layers
    ]  # fmt: skip
    return NatsOptions.of(validate(_Access, ours).nats)
