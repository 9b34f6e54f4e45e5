"""Reads rankcast_core.h: the types of its functions and structs, as ctypes has them."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

HEADER: Final = Path(__file__).with_name("rankcast_core.h")

_NUMBERS: Final[dict[str, Any]] = {
    "int64_t": ctypes.c_int64,
    "int32_t": ctypes.c_int32,
    "double": ctypes.c_double,
    "float": ctypes.c_float,
    "void": None,
}
_DTYPES: Final = {
    "uint8_t": np.uint8, "uint16_t": np.uint16, "uint32_t": np.uint32, "uint64_t": np.uint64,
    "int8_t": np.int8, "int16_t": np.int16, "int32_t": np.int32, "int64_t": np.int64,
    "float": np.float32, "double": np.float64,
}  # fmt: skip
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_FUNCTION: Final = re.compile(r"^RK_API (\w+) (rk_\w+)\(([^)]*)\);", re.MULTILINE)
_STRUCT: Final = re.compile(r"^struct (rk_\w+) \{([^}]*)\};", re.MULTILINE)
_DECLARATION: Final = re.compile(r"(const )?(struct )?(\w+) (\**)(\w+)(?:\[(\d+)\])?$")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function, or one field of a struct."""

    name: str
    ctype: Any
    dtype: np.dtype[Any] | None
    """Of the array behind a pointer; None for numbers and structs."""
    written: bool
    """True for a pointer through which the function writes."""
    struct: bool


@dataclass(frozen=True, slots=True)
class Prototype:
    """A function of the core."""

    name: str
    result: Any
    parameters: tuple[Parameter, ...]


def read_prototypes(text: str) -> dict[str, Prototype]:
    """Return the functions that a header declares, by name."""
    text = _COMMENT.sub("", text)
    found = {}
    for result, name, parameters in _FUNCTION.findall(text):
        listed = () if parameters == "void" else tuple(map(_parameter, parameters.split(",")))
        found[name] = Prototype(name, _NUMBERS[result], listed)
    return found


def read_structs(text: str) -> dict[str, tuple[Parameter, ...]]:
    """Return the fields of the structs that a header declares, by name."""
    text = _COMMENT.sub("", text)
    return {
        name: tuple(_parameter(field) for field in body.split(";") if field.strip())
        for name, body in _STRUCT.findall(text)
    }


def _parameter(declaration: str) -> Parameter:
    match = _DECLARATION.match(" ".join(declaration.split()))
    if match is None:
        raise ValueError(f"rankcast_core.h: {declaration.strip()!r} is not a declaration")
    const, struct, kind, pointer, name, count = match.groups()
    if not pointer:
        ctype = _NUMBERS[kind]
        return Parameter(name, ctype * int(count) if count else ctype, None, False, False)
    dtype = None if struct else np.dtype(_DTYPES[kind])
    return Parameter(name, ctypes.c_void_p, dtype, not const, bool(struct))
