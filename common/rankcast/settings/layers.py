"""Layers of settings: TOML file, environment and command line, each as nested tables.

Precedence: defaults < file < environment < options of the command < ``--set``.
"""

from __future__ import annotations

import codecs
import logging
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rankcast.atomic_file import os_reason
from rankcast.credentials import shown_address
from rankcast.errors import SettingsError

log = logging.getLogger(__name__)

MAX_FILE_BYTES: Final = 1 << 20
"""A settings file has a few kilobytes; a larger file was selected by mistake."""
MAX_DEPTH: Final = 8
"""Most parts of a dotted key; ``camera.codec.svd-patch.bitrate`` has four."""
_PREFIXES: Final = ("RANKCAST_SEND__", "RANKCAST_RECEIVE__", "RANKCAST_RELAY__")
_VARIABLES: Final = (
    "RANKCAST_CC", "RANKCAST_LEVEL", "RANKCAST_LOG_LEVEL", "RANKCAST_TARGET", "RANKCAST_TEST_DATA",
)  # fmt: skip
_OTHER_ENCODINGS: Final = {
    # UTF-32 first, because its little-endian byte-order mark begins with that of UTF-16.
    codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings from one origin, as nested tables."""

    origin: str
    """File, variable or option, as named in errors."""
    values: Mapping[str, Any]
    text: str | None = None
    """Single value as typed, which text settings keep, so that a folder may be named 123."""
    group: str = ""
    """Layers of the same group have no precedence among themselves."""


def parse_set(text: str) -> tuple[str, Any]:
    """Split ``a.b=c`` into the dotted key and its value.

    The value is parsed as TOML; anything else is a bare string, so that ``codec.engine=exact``
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
    if not equals or not _is_key(key):
        shown, mark, _ = shown_address(text).partition("=")
        shown += "=..." if mark else ""
        raise SettingsError(f"got --set {shown!r:.80}, want table.key=value, as in codec.rank=0.1")
    return key, value.strip()


def _is_key(dotted: str) -> bool:
    # In `anna:se=cret@host` all before the = is part of a password.
    parts = dotted.split(".")
    return all(parts) and len(parts) <= MAX_DEPTH and not set(":@/") & set(dotted)


def _toml_value(text: str) -> Any:
    if "\n" in text:  # would allow more than one statement
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # also raised for thousands of digits or brackets
        return text


def file_layer(path: Path) -> Layer:
    """Read a TOML file.

    Raises
    ------
    SettingsError
        If it cannot be read, or is not TOML in UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise SettingsError(f"{path}: cannot be read: {os_reason(exc)}") from exc
    if len(data) > MAX_FILE_BYTES:
        raise SettingsError(f"{path}: a settings file has at most {MAX_FILE_BYTES:,} bytes")
    for mark, encoding in _OTHER_ENCODINGS.items():
        if data.startswith(mark):
            raise SettingsError(f"{path}: the file is in {encoding}, want UTF-8: save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")  # Windows editors prepend a byte-order mark
        if "\0" in text:
            raise SettingsError(
                f"{path}: the file contains NUL characters, want text in UTF-8 "
                "(UTF-16 without a byte-order mark looks like this)"
            )
        return Layer(str(path), tomllib.loads(text))
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise SettingsError(
            f"{path}: line {line} has a byte that is not UTF-8 (0x{data[exc.start]:02x}): "
            "save the file as UTF-8"
        ) from exc
    except RecursionError:
        raise SettingsError(f"{path}: values are nested too deeply") from None
    except ValueError as exc:
        raise SettingsError(f"{path}: not valid TOML: {exc}") from exc


def environment_layer(prefix: str, environment: Mapping[str, str]) -> list[Layer]:
    """Read variables such as ``RANKCAST_SEND__CODEC__QUALITY=60``, with table and key in capitals.

    Parameters
    ----------
    prefix : str
        ``RANKCAST_SEND__``, ``RANKCAST_RECEIVE__`` or ``RANKCAST_RELAY__``.
    environment : mapping

    Raises
    ------
    SettingsError
        If a name has no table or key, or a value is not text.
    """
    layers = []
    for name in sorted(environment):
        if not name.startswith(prefix):
            continue
        dotted = name[len(prefix) :].lower().replace("__", ".")
        if not _is_key(dotted):
            raise SettingsError(f"got the environment variable {name}, want {prefix}TABLE__KEY")
        text = environment[name]
        if not _is_unicode(text):
            raise SettingsError(
                f"the environment variable {name} has a byte that is not valid text: set it again"
            )
        layers.append(Layer(name, _nested(dotted, _toml_value(text)), text, "environment"))
    return layers


def _is_unicode(text: str) -> bool:
    # Bytes that the locale cannot decode become lone surrogates (PEP 383).
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def set_layers(sets: Iterable[str]) -> list[Layer]:
    """Return one layer for each ``--set``, in order."""
    layers = []
    for text in sets:
        key, value = _split_set(text)
        # The value may be a password that belongs into a file, under whatever key.
        layers.append(Layer(f"--set {key}", _nested(key, _toml_value(value)), value, "--set"))
    return layers


def option_layers(options: Mapping[str, tuple[str, Any]]) -> list[Layer]:
    """Return one layer per given option, from its name -> (dotted key, value)."""
    return [
        Layer(name, _nested(key, _plain(value)))
        for name, (key, value) in options.items()
        if value is not None
    ]


def _plain(value: Any) -> Any:
    """Convert paths, which are already expanded, to text that expands to itself."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, Path):
        return value
    text = str(value)
    return f"./{text}" if text.startswith("~") else text


def command_layers(
    config_file: Path | None,
    environment_prefix: str,
    options: Mapping[str, tuple[str, Any]],
    sets: Iterable[str],
) -> list[Layer]:
    """Return all layers of settings for a command, in ascending precedence."""
    _warn_of_unknown(os.environ)
    return [
        *([] if config_file is None else [file_layer(config_file)]),
        *environment_layer(environment_prefix, os.environ),
        *option_layers(options),
        *set_layers(sets),
    ]


def _warn_of_unknown(environment: Mapping[str, str]) -> None:
    known = ", ".join((*(f"{prefix}TABLE__KEY" for prefix in _PREFIXES), *_VARIABLES))
    for name in sorted(environment):
        if name.startswith("RANKCAST_") and not (name.startswith(_PREFIXES) or name in _VARIABLES):
            log.warning("unknown environment variable %s has no effect; known: %s", name, known)


def _nested(dotted: str, value: Any) -> dict[str, Any]:
    for part in reversed(dotted.split(".")):
        value = {part: value}
    return dict(value)
