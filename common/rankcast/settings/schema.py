"""Settings: merges layers of tables into a validated, frozen model, and writes it as TOML.

Errors state the origin, table, key and value, and what is allowed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from rankcast.codec import CODECS_BY_NAME
from rankcast.credentials import shown_value
from rankcast.encoder import OptionError, check_options, replace_options
from rankcast.errors import SettingsError
from rankcast.settings.layers import MAX_DEPTH, Layer
from rankcast.validation_text import reason_of

M = TypeVar("M", bound=BaseModel)


class Table(BaseModel):
    """A frozen table of a settings file, in which unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class _WrongKeyError(ValueError):
    """An invalid value at a key nested below the table that was validated."""

    def __init__(self, path: tuple[str, ...], reason: str) -> None:
        super().__init__(reason)
        self.path = path


class CodecTable(BaseModel):
    """``[codec]``: the name of the codec and its options.

    A sub-table such as ``[codec.svd]`` applies only if ``name`` is ``svd``, so that a file can
    contain options of several codecs and switch between them in one line. Options directly in
    ``[codec]``, where ``--set codec.rank=0.2`` stores them, override those of the sub-table,
    including options that they exclude.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    name: str

    @property
    def chosen(self) -> dict[str, Any]:
        """Options explicitly set for the named codec."""
        extra = self.model_extra or {}
        own = {key: value for key, value in extra.items() if not isinstance(value, dict)}
        table = extra.get(self.name)
        return replace_options(self.name, table if isinstance(table, dict) else {}, own)

    @property
    def effective(self) -> dict[str, Any]:
        """Every option of the named codec in effect, defaults included."""
        return check_options(self.name, self.chosen).effective()

    @model_validator(mode="after")
    def _options_are_known(self) -> CodecTable:
        extra = self.model_extra or {}
        if self.name not in CODECS_BY_NAME:
            self._check(("name",), self.name, {})
        # Tables first, so that an error in the table of the named codec refers to that table.
        for key, value in extra.items():
            if isinstance(value, dict):
                self._check((key,), key, value)
        self._check((), self.name, self.chosen)
        return self

    def _check(self, path: tuple[str, ...], codec: str, options: Mapping[str, Any]) -> None:
        try:
            check_options(codec, options)
        except OptionError as exc:  # pydantic handles only ValueErrors
            raise _WrongKeyError((*path, exc.option) if exc.option else path, exc.reason) from exc
        except SettingsError as exc:
            raise _WrongKeyError(path, str(exc)) from exc


def validate(model: type[M], layers: Iterable[Layer]) -> M:
    """Merge `layers`, in ascending precedence, and validate the result.

    Raises
    ------
    SettingsError
        If a value is invalid; states origin, table, key and value, and what is allowed.
    """
    merged: dict[str, Any] = {}
    origins: dict[tuple[str, ...], Layer] = {}
    layers = list(layers)
    codec_keys = [
        key for key, field in model.model_fields.items() if field.annotation is CodecTable
    ]
    for layer in layers:
        for key in codec_keys:
            _drop_replaced_options(model, layers, key, layer, merged, origins)
        _merge(model, merged, layer.values, layer, origins, ())
    try:
        return model.model_validate(merged)
    except ValidationError as exc:
        raise SettingsError(_explain(model, exc, merged, origins)) from None


def _merge(
    model: type[BaseModel],
    into: dict[str, Any],
    values: Mapping[str, Any],
    layer: Layer,
    origins: dict[tuple[str, ...], Layer],
    path: tuple[str, ...],
) -> None:
    for key, value in values.items():
        here = (*path, key)
        if len(here) > MAX_DEPTH:
            raise SettingsError(f"{layer.origin}: tables are nested more than {MAX_DEPTH} deep")
        origins[here] = layer
        if isinstance(value, dict):
            if not isinstance(into.get(key), dict):
                into[key] = {}
            _merge(model, into[key], value, layer, origins, here)
            continue
        if layer.text is not None and not isinstance(value, str):
            field = _table_model(model, path).model_fields.get(key)
            if field is not None and field.annotation is str:
                value = layer.text
        into[key] = value


def _drop_replaced_options(
    model: type[BaseModel],
    layers: Iterable[Layer],
    key: str,
    layer: Layer,
    merged: dict[str, Any],
    origins: Mapping[tuple[str, ...], Layer],
) -> None:
    """Remove options from the codec table that options of `layer` replace."""
    new, into = layer.values.get(key), merged.get(key)
    if not isinstance(new, dict) or not isinstance(into, dict):
        return

    def drop(table: dict[str, Any], path: tuple[str, ...], names: Iterable[str]) -> None:
        for name in names:
            # Mutually exclusive options from the same origin are an error.
            if name in table and not _together(layer, origins[(*path, name)]):
                del table[name]

    name = _codec_name(model, layers, key)
    direct = {option for option, value in new.items() if not isinstance(value, dict)}
    drop(into, (key,), _excluded(name, direct) - direct)
    for codec, options in new.items():
        if not isinstance(options, dict):
            continue
        given = set(options)
        if isinstance(into.get(codec), dict):
            drop(into[codec], (key, codec), _excluded(codec, given) - given)
        if codec == name:
            # Options directly in [codec] override sub-tables only up to their own layer.
            drop(into, (key,), (_excluded(codec, given) | given) - direct - {"name"})


def _codec_name(model: type[BaseModel], layers: Iterable[Layer], key: str) -> str:
    default = model.model_fields[key].default
    name = default.name if isinstance(default, CodecTable) else ""
    for layer in layers:
        table = layer.values.get(key)
        if isinstance(table, Mapping):
            name = table.get("name", name)
    return str(name)


def _excluded(codec: str, names: set[str]) -> set[str]:
    """Return all options that exclude one of `names`, including these."""
    known = CODECS_BY_NAME.get(codec)
    groups = () if known is None else known.options.exclusive
    return {member for group in groups if names & set(group) for member in group}


def _together(one: Layer, other: Layer) -> bool:
    return one is other or bool(one.group and one.group == other.group)


def _explain(
    model: type[BaseModel],
    exc: ValidationError,
    merged: Mapping[str, Any],
    origins: Mapping[tuple[str, ...], Layer],
) -> str:
    first = exc.errors()[0]
    path = tuple(str(part) for part in first["loc"])
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, _WrongKeyError):
        path += cause.path
    # pydantic appends parts such as union members: keep only keys of the input.
    value: Any = merged
    known: list[str] = []
    for part in path:
        if isinstance(value, list) and part.isdecimal():
            value = value[int(part)]  # a table of several
            continue
        if not isinstance(value, Mapping) or part not in value:
            break
        value = value[part]
        known.append(part)
    origin = next(
        (origins[tuple(known[:end])].origin for end in range(len(known), 0, -1)
         if tuple(known[:end]) in origins),
        "settings",
    )  # fmt: skip
    table, key = ".".join(known[:-1]), known[-1] if known else ""
    where = f"[{table}] {key}" if table else f"[{key}]"
    if first["type"] == "extra_forbidden":
        allowed = ", ".join(_table_model(model, known[:-1]).model_fields)
        return f"{origin}: {where} is unknown; known here: {allowed}"
    message = reason_of(first)
    if first["type"] == "missing":
        message = f"{path[-1]} {message}"
    if not known:
        return f"{origin}: {message}"  # of several tables together
    if isinstance(value, Mapping):
        return f"{origin}: {where}: {message}"
    return f"{origin}: {where} = {shown_value(value)!r:.60}: {message}"


def _table_model(model: type[BaseModel], path: Iterable[str]) -> type[BaseModel]:
    for part in path:
        field = model.model_fields.get(part)
        annotation = None if field is None else field.annotation
        if get_origin(annotation) is list:
            (annotation,) = get_args(annotation)
        if not isinstance(annotation, type) or not issubclass(annotation, BaseModel):
            break
        model = annotation
    return model


def to_toml(settings: BaseModel) -> str:
    """Write settings as TOML that can be read back, for ``--check``.

    Only the named codec is written, with every option in effect.
    """
    values = settings.model_dump()
    for key in type(settings).model_fields:
        table = getattr(settings, key)
        if isinstance(table, CodecTable):
            values[key] = {"name": table.name, table.name: table.effective}
    lines: list[str] = []
    _write_table(values, "", lines)
    return "\n".join(lines).strip() + "\n"


def _write_table(values: Mapping[str, Any], path: str, lines: list[str]) -> None:
    plain = {
        key: value
        for key, value in values.items()
        if not isinstance(value, dict) and not _is_tables(value)
    }
    if plain and path:
        lines.append(f"\n[{path}]")
    lines.extend(f"{key} = {_toml_text(value)}" for key, value in plain.items())
    for key, value in values.items():
        below = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            _write_table(value, below, lines)
        for table in value if _is_tables(value) else ():
            begun = len(lines)
            _write_table(table, below, lines)
            lines[begun] = f"\n[[{below}]]"


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _toml_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_text(item) for item in value) + "]"
    # A basic string of TOML uses the escapes of JSON, and escapes DEL too (TOML 1.0, "String").
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
