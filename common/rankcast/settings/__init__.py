"""Settings: defaults, TOML files, environment variables and `--set`, validated."""

from rankcast.settings.layers import (
    Layer,
    command_layers,
    option_layers,
    parse_set,
    set_layers,
)
from rankcast.settings.log_table import LogTable
from rankcast.settings.metrics_table import MetricsTable
from rankcast.settings.nats_table import NatsTable
from rankcast.settings.paths import OptionalPath, SettingsPath, SettingsPaths
from rankcast.settings.process_table import ProcessTable
from rankcast.settings.record_table import RecordTable, record_options, record_settings
from rankcast.settings.schema import CodecTable, Table, to_toml, validate

__all__ = [
    "CodecTable",
    "Layer",
    "LogTable",
    "MetricsTable",
    "NatsTable",
    "OptionalPath",
    "ProcessTable",
    "RecordTable",
    "SettingsPath",
    "SettingsPaths",
    "Table",
    "command_layers",
    "option_layers",
    "parse_set",
    "record_options",
    "record_settings",
    "set_layers",
    "to_toml",
    "validate",
]
