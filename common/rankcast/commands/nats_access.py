"""What `find` and `control` need to reach a NATS server: the table ``[nats]`` of a receiver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from rankcast.nats import NatsOptions
from rankcast.settings import NatsTable, Table, command_layers, validate

ENVIRONMENT_PREFIX: Final = "RANKCAST_RECEIVE__"


class _Access(Table):
    nats: NatsTable = NatsTable()


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
