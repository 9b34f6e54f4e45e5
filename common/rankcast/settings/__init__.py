"""Settings: defaults, TOML files, environment variables and `--set`, validated."""

from rankcast.settings.log_table import LogTable
from rankcast.settings.schema import (
    CodecTable,
    Layer,
    Table,
    command_layers,
    option_layers,
    parse_set,
    set_layers,
    to_toml,
    validate,
)

__all__ = [
    "CodecTable",
    "Layer",
    "LogTable",
    "Table",
    "command_layers",
    "option_layers",
    "parse_set",
    "set_layers",
    "to_toml",
    "validate",
]
