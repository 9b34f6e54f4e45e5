"""Loads the shared library of the core, and calls its functions with arrays."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from numpy.typing import NDArray

from rankcast.core.header import HEADER, Parameter, read_prototypes, read_structs
from rankcast.errors import RankcastError

_SUFFIX: Final = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
_LIBRARY: Final = Path(__file__).with_name(f"librankcast_core{_SUFFIX}")
_WASM: Final = Path(__file__).with_name("rankcast_core.wasm")
_BUILDER: Final = Path(__file__).parents[3] / "scripts" / "build_core.py"
"""Beside the package in a checkout only: a wheel brings the library and no sources."""


def _build_if_stale(product: Path) -> None:
    """Compile the core again where this is a checkout whose sources have changed."""
    if not _BUILDER.exists():
        return
    spec = importlib.util.spec_from_file_location("build_core", _BUILDER)
    assert spec is not None
    assert spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = builder  # dataclasses look their module up
    spec.loader.exec_module(builder)
    recorded = product.with_suffix(".digest")
    wanted = builder.digest()

    def is_fresh() -> bool:
        return product.exists() and recorded.exists() and recorded.read_text() == wanted

    if is_fresh():
        return
    from filelock import FileLock  # takes as long to import as everything else here

    with FileLock(f"{product}.lock"):
        if is_fresh():  # another process has compiled it meanwhile
            return
        try:
            (builder.build_wasm_here if product == _WASM else builder.build_here)()
        except builder.BuildError as exc:
            raise RankcastError(str(exc)) from None


def _load() -> ctypes.CDLL:
    _build_if_stale(_LIBRARY)
    try:
        return ctypes.CDLL(str(_LIBRARY))
    except OSError as exc:
        raise RankcastError(
            f"the native core does not load: {exc}; reinstall rankcast for this system"
        ) from exc


_library = _load()
_text = HEADER.read_text(encoding="utf-8")
_PROTOTYPES: Final = read_prototypes(_text)
_STRUCTS: Final = read_structs(_text)


LOWEST: Final = 2
HIGHEST: Final = 3
"""Levels that the core is compiled for."""


def _choose_level() -> int:
    """Return the SIMD level to use: that of the processor, or a lower one that is asked for."""
    found = int(_library.rk_level())
    if found < LOWEST:
        raise RankcastError(
            "this processor, or the virtual machine that shows it, lacks SSE4.2 and POPCNT: the "
            "native core needs x86-64-v2, every x86 processor since 2011; give the machine a newer "
            "CPU model, with QEMU `-cpu host`"
        )
    asked = os.environ.get("RANKCAST_LEVEL", "")
    if asked and asked not in ("2", "3"):
        raise RankcastError(f"RANKCAST_LEVEL is {asked!r:.20}, want 2 or 3")
    return min(int(asked or HIGHEST), found)


LEVEL: Final = _choose_level()
"""x86-64 level of the functions in use; 2 on other architectures."""


def wasm_module() -> Path:
    """Return the file of the decoders as WebAssembly, for what runs without Python.

    Raises
    ------
    RankcastError
        If this is a checkout and they cannot be compiled.
    """
    _build_if_stale(_WASM)
    return _WASM


@cache
def struct(name: str) -> type[ctypes.Structure]:
    """Return the ctypes class of a struct of the header.

    Pointers are addresses: see `address_of`.
    """
    fields = [(field.name, field.ctype) for field in _STRUCTS[name]]
    return type(name, (ctypes.Structure,), {"_fields_": fields})


def address_of(array: NDArray[Any], field: str, structure: str) -> int:
    """Return the address of an array for a field of a struct, after checks of its type.

    The caller keeps the array alive for as long as the struct is used.
    """
    (parameter,) = (found for found in _STRUCTS[structure] if found.name == field)
    return _address(array, parameter, structure)


def function(name: str) -> Callable[..., Any]:
    """Return a function of the core, to be called with arrays, numbers and structs.

    An array is checked: C-contiguous, of the type that the header names, and writeable where
    the function writes. The GIL is free during the call.

    Raises
    ------
    TypeError
        From the call, if an array is not what the header says.
    """
    prototype = _PROTOTYPES[name]
    found = None
    for suffix in (f"_v{LEVEL}", ""):
        found = found or getattr(_library, name + suffix, None)
    if found is None:
        raise RankcastError(f"the native core has no function {name}: reinstall rankcast")
    found.restype = prototype.result
    found.argtypes = [parameter.ctype for parameter in prototype.parameters]
    converters = [_converter(parameter, name) for parameter in prototype.parameters]

    def call(*arguments: Any) -> Any:
        if len(arguments) != len(converters):
            raise TypeError(f"{name} takes {len(converters)} arguments, got {len(arguments)}")
        return found(
            *[
                argument if convert is None else convert(argument)
                for convert, argument in zip(converters, arguments, strict=True)
            ]
        )

    return call


def _converter(parameter: Parameter, where: str) -> Callable[[Any], Any] | None:
    """Return what turns an argument into its ctypes value; None for numbers."""
    if parameter.struct:
        return ctypes.byref
    if parameter.dtype is None:
        return None
    return lambda array: None if array is None else _address(array, parameter, where)


_NOTHING: Final = ctypes.c_char * 0


def _address(array: NDArray[Any], parameter: Parameter, where: str) -> int:
    flags = array.flags
    if (
        array.dtype != parameter.dtype
        or not flags.c_contiguous
        or (parameter.written and not flags.writeable)
    ):
        raise TypeError(
            f"{where}: {parameter.name} is an array of {array.dtype} with strides {array.strides}, "
            f"want {'writeable ' if parameter.written else ''}contiguous {parameter.dtype}"
        )
    if flags.writeable:
        # A quarter of the time of `array.ctypes.data`.
        return ctypes.addressof(_NOTHING.from_buffer(cast(Any, array)))
    return int(array.ctypes.data)
