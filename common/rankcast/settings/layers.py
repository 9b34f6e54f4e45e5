"""Layers of settings: TOML file, environment and command line, each as nested tables.

Precedence: defaults < file < environment < options of the command < ``--set``.
"""

from __future__ import annotations

import logging
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rankcast.errors import SettingsError
from rankcast.printable import printable

log = logging.getLogger(__name__)

_PREFIXES = ("RANKCAST_SEND__", "RANKCAST_RECEIVE__")
_VARIABLES = ("RANKCAST_CACHE_DIR", "RANKCAST_LOG_LEVEL", "RANKCAST_TEST_DATA")


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings of one origin, as nested tables."""

    origin: str
    values: Mapping[str, Any]
    text: str | None = None
    """The one value as it was written, where what it is follows from the setting: a folder
    named 123 is text."""
    group: str = ""
    """Layers of one group have no order between them; each layer is its own otherwise."""


def parse_set(text: str) -> tuple[str, Any]:
    """Split ``a.b=c`` into the dotted key and its value.

    The value is TOML; what is no TOML is a bare string, so that ``codec.engine=exact``
    needs no quotes.

    Raises
    ------
    SettingsError
        If there is no ``=`` or no key.
    """
    key, value = _split_set(text)
    return key, _toml_value(value)


def _split_set(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key or not all(part for part in key.split(".")):
        raise SettingsError(f"got --set {text!r}, want table.key=value, as in codec.rank=0.1")
    return key, value.strip()


def _toml_value(text: str) -> Any:
    if "\n" in text:  # more than one statement would slip through
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def file_layer(path: Path) -> Layer:
    """Read a TOML file.

    Raises
    ------
    SettingsError
        If it cannot be read or is no TOML.
    """
    try:
        return Layer(str(path), tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise SettingsError(f"{path}: cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise SettingsError(f"{path}: is no TOML: {exc}") from exc


def environment_layer(prefix: str, environment: Mapping[str, str]) -> list[Layer]:
    """Collect variables such as ``RANKCAST_SEND__CODEC__QUALITY=60``: table and key in capitals.

    Parameters
    ----------
    prefix : str
        ``RANKCAST_SEND__`` or ``RANKCAST_RECEIVE__``.
    """
    layers = []
    for name in sorted(environment):
        if name.startswith(prefix):
            dotted = name[len(prefix) :].lower().replace("__", ".")
            text = environment[name]
            values = _nested(dotted, _toml_value(text))
            layers.append(Layer(name, values, text, "environment"))
    return layers


def set_layers(sets: Iterable[str]) -> list[Layer]:
    """One layer for each ``--set``, in their order."""
    layers = []
    for text in sets:
        key, value = _split_set(text)
        layers.append(Layer(f"--set {text}", _nested(key, _toml_value(value)), value, "--set"))
    return layers


def option_layers(options: Mapping[str, tuple[str, Any]]) -> list[Layer]:
    """One layer for each command-line option that was given: its name -> (dotted key, value)."""
    return [
        Layer(name, _nested(key, value))
        for name, (key, value) in options.items()
        if value is not None
    ]


def command_layers(
    config_file: Path | None,
    environment_prefix: str,
    options: Mapping[str, tuple[str, Any]],
    sets: Iterable[str],
) -> list[Layer]:
    """Everything that may change the settings of a command, the strongest last."""
    _warn_of_unknown(os.environ)
    return [
        *([] if config_file is None else [file_layer(config_file)]),
        *environment_layer(environment_prefix, os.environ),
        *option_layers(options),
        *set_layers(sets),
    ]


def _warn_of_unknown(environment: Mapping[str, str]) -> None:
    for name in sorted(environment):
        if name.startswith("RANKCAST_") and not (name.startswith(_PREFIXES) or name in _VARIABLES):
            log.warning(
                "the environment variable %s is unknown and has no effect; known are %s",
                printable(name), ", ".join((*(f"{prefix}TABLE__KEY" for prefix in _PREFIXES),
                                            *_VARIABLES)),
            )  # fmt: skip


def _nested(dotted: str, value: Any) -> dict[str, Any]:
    for part in reversed(dotted.split(".")):
        value = {part: value}
    return dict(value)
