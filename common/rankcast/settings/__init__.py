"""Settings: defaults, TOML files, environment variables and `--set`, validated."""

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
    "Table",
    "command_layers",
    "option_layers",
    "parse_set",
    "set_layers",
    "to_toml",
    "validate",
]
