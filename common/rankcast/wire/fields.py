"""Safe parsing of msgpack from a peer: checks all lengths, types and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgpack

from rankcast.errors import WireError

MAX_VALUE_BYTES: Final = 4096
"""Longest text or bin; also the limit of user metadata."""
MAX_ELEMENTS: Final = 64
MAX_NESTING: Final = 16
UINT64_MAX: Final = 2**64 - 1

EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})


def unpack_msgpack(data: memoryview, what: str) -> Any:
    """Unpack one msgpack value from a peer; `what` names it in errors.

    Raises
    ------
    WireError
        If it is not msgpack or exceeds a limit of docs/wire.md.
    """
    try:
        value = msgpack.unpackb(
            data,
            use_list=False,
            max_str_len=MAX_VALUE_BYTES,
            max_bin_len=MAX_VALUE_BYTES,
            max_array_len=MAX_ELEMENTS,
            max_map_len=MAX_ELEMENTS,
            max_ext_len=0,
            ext_hook=_refuse_extension,
        )
    except (ValueError, msgpack.UnpackException) as exc:
        # Includes StackError, FormatError, ExtraData, exceeded lengths and invalid UTF-8.
        reason = str(exc) or type(exc).__name__
        raise WireError(f"{what} is not msgpack within the limits: {reason}") from exc
    # msgpack accepts 1024 levels, more than repr, and therefore any error message, can handle.
    level = [value]
    for _ in range(MAX_NESTING + 1):
        level = [
            item
            for outer in level
            if type(outer) in (tuple, dict)
            for item in (outer.values() if type(outer) is dict else outer)
        ]
        if not level:
            return value
    raise WireError(f"{what} is not msgpack within the limits: more than {MAX_NESTING} levels")


def _refuse_extension(code: int, _data: bytes) -> None:
    # An extension of length 0 passes max_ext_len.
    raise ValueError(f"extension type {code}")


def uint(value: object, name: str, most: int = UINT64_MAX, *, least: int = 0) -> int:
    """Return `value` if it is an integer from `least` to `most`.

    Raises
    ------
    WireError
        If it is anything else, including bool.
    """
    # isinstance would accept bool as an int.
    if type(value) is not int or not least <= value <= most:
        raise WireError(f"{name} is {value!r:.40}, want an integer from {least} to {most}")
    return value


def optional_uint(value: object, name: str, most: int = UINT64_MAX) -> int | None:
    """Return None for nil, otherwise the result of `uint`."""
    return None if value is None else uint(value, name, most)


def is_scalar(value: object) -> bool:
    """Return True if `value` is allowed in metadata, settings, arguments and results."""
    return value is None or type(value) in (bool, int, float, str, bytes)


def check_scalar(value: object, name: str) -> None:
    """Reject anything but nil, bool, int, float, str and bin.

    Raises
    ------
    WireError
    """
    if not is_scalar(value):
        raise WireError(f"{name} is {type(value).__name__}, want nil, bool, int, float, str or bin")


def string_map(value: object, name: str) -> Mapping[str, Any]:
    """Return `value` if it is a map with string keys; nil counts as an empty map.

    Raises
    ------
    WireError
    """
    if value is None:
        return EMPTY
    if type(value) is not dict or any(type(key) is not str for key in value):
        raise WireError(f"{name} is {type(value).__name__}, want a map with string keys")
    return MappingProxyType(value)


def required_map(value: object, name: str) -> Mapping[str, Any]:
    """Return `value` if it is a map with string keys; nil is rejected.

    Raises
    ------
    WireError
    """
    if value is None:
        raise WireError(f"{name} is nil, want a map with string keys")
    return string_map(value, name)
