"""The options of `find` and `control` for a NATS server; their values go to `nats_access`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from rankcast.path_parameter import PATH


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
