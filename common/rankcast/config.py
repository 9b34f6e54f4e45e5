"""Settings: TOML file, environment and command line to one validated, frozen model.

Precedence: defaults < file < environment < ``--set`` and options. Whatever is wrong is
said with its origin: file, table, key, value and what is allowed.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from rankcast.encoder import check_options, replace_options
from rankcast.errors import SettingsError

M = TypeVar("M", bound=BaseModel)


class Table(BaseModel):
    """One table of a settings file: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CodecTable(BaseModel):
    """``[codec]``: a name, its options, and one sub-table for each codec to switch between.

    ``[codec.svd]`` and its like count only while that codec is the named one, so that a
    file can hold the options of all and switch in one line; options directly in ``[codec]``
    (as ``--set codec.rank=0.2`` puts them) win, also over options that they exclude.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    name: str

    @property
    def chosen(self) -> dict[str, Any]:
        """Options of the named codec."""
        extra = self.model_extra or {}
        own = {key: value for key, value in extra.items() if not isinstance(value, dict)}
        table = extra.get(self.name)
        return replace_options(self.name, table if isinstance(table, dict) else {}, own)

    @model_validator(mode="after")
    def _options_are_known(self) -> CodecTable:
        try:
            check_options(self.name, self.chosen)
            for key, value in (self.model_extra or {}).items():
                if isinstance(value, dict):
                    check_options(key, value)
        except SettingsError as exc:  # pydantic collects ValueErrors only
            raise ValueError(str(exc)) from exc
        return self


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings of one origin, as nested tables."""

    origin: str
    values: Mapping[str, Any]


def parse_set(text: str) -> tuple[str, Any]:
    """Split ``a.b=c`` into the dotted key and its value.

    The value is TOML; what is no TOML is a bare string, so that ``codec.engine=exact``
    needs no quotes.

    Raises
    ------
    SettingsError
        If there is no ``=`` or no key.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key or not all(part for part in key.split(".")):
        raise SettingsError(f"got --set {text!r}, want table.key=value, as in codec.rank=0.1")
    return key, _toml_value(value.strip())


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
            layers.append(Layer(name, _nested(dotted, _toml_value(environment[name]))))
    return layers


def set_layers(sets: Iterable[str]) -> list[Layer]:
    """One layer for each ``--set``, in their order."""
    return [Layer(f"--set {text}", _nested(*parse_set(text))) for text in sets]


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
    return [
        *([] if config_file is None else [file_layer(config_file)]),
        *environment_layer(environment_prefix, os.environ),
        *option_layers(options),
        *set_layers(sets),
    ]


def _nested(dotted: str, value: Any) -> dict[str, Any]:
    for part in reversed(dotted.split(".")):
        value = {part: value}
    return dict(value)


def validate(model: type[M], layers: Iterable[Layer]) -> M:
    """Merge `layers`, later ones winning, and validate the result.

    Raises
    ------
    SettingsError
        Naming origin, table, key, value and what is allowed.
    """
    merged: dict[str, Any] = {}
    origins: dict[tuple[str, ...], str] = {}
    for layer in layers:
        _merge(merged, layer.values, layer.origin, origins, ())
    try:
        return model.model_validate(merged)
    except ValidationError as exc:
        raise SettingsError(_explain(model, exc, merged, origins)) from None


def _merge(
    into: dict[str, Any],
    values: Mapping[str, Any],
    origin: str,
    origins: dict[tuple[str, ...], str],
    path: tuple[str, ...],
) -> None:
    for key, value in values.items():
        here = (*path, key)
        origins[here] = origin
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value, origin, origins, here)
        elif isinstance(value, dict):
            into[key] = {}
            _merge(into[key], value, origin, origins, here)
        else:
            into[key] = value


def _explain(
    model: type[BaseModel],
    exc: ValidationError,
    merged: Mapping[str, Any],
    origins: Mapping[tuple[str, ...], str],
) -> str:
    first = exc.errors()[0]
    path = tuple(str(part) for part in first["loc"])
    # Union members and the like append their own parts: keep what exists in the input.
    value: Any = merged
    known: list[str] = []
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            break
        value = value[part]
        known.append(part)
    origin = next(
        (origins[tuple(known[:end])] for end in range(len(known), 0, -1)
         if tuple(known[:end]) in origins),
        "settings",
    )  # fmt: skip
    table, key = ".".join(known[:-1]), known[-1] if known else ""
    where = f"[{table}] {key}" if table else f"[{key}]"
    if first["type"] == "extra_forbidden":
        allowed = ", ".join(_table_model(model, known[:-1]).model_fields)
        return f"{origin}: {where} is unknown; known here: {allowed}"
    cause = first.get("ctx", {}).get("error")
    message = str(cause) if cause else first["msg"]
    if isinstance(value, Mapping):
        return f"{origin}: {where}: {message}"
    return f"{origin}: {where} = {value!r:.60}: {message}"


def _table_model(model: type[BaseModel], path: Iterable[str]) -> type[BaseModel]:
    for part in path:
        field = model.model_fields.get(part)
        annotation = None if field is None else field.annotation
        if not isinstance(annotation, type) or not issubclass(annotation, BaseModel):
            break
        model = annotation
    return model


def to_toml(settings: BaseModel) -> str:
    """Write settings as TOML text, for ``--check``."""
    lines: list[str] = []
    _write_table(settings.model_dump(), "", lines)
    return "\n".join(lines).strip() + "\n"


def _write_table(values: Mapping[str, Any], path: str, lines: list[str]) -> None:
    plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
    if plain and path:
        lines.append(f"\n[{path}]")
    lines.extend(f"{key} = {_toml_text(value)}" for key, value in plain.items())
    for key, value in values.items():
        if isinstance(value, dict):
            _write_table(value, f"{path}.{key}" if path else key, lines)


def _toml_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_text(item) for item in value) + "]"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
