"""The Python that can import what the system's packages bring, such as GObject bindings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from typing import Final

SYSTEM_PYTHON: Final = "/usr/bin/python3"
SYSTEM_PACKAGES: Final = "/usr/lib/python3/dist-packages"


@dataclass(frozen=True, slots=True)
class BindingsPython:
    """How a process is started that imports the bindings."""

    python: str = ""
    """Empty: the Python of the sender."""
    packages: tuple[str, ...] = ()
    """Folders that the Python of the sender needs in addition."""


def bindings_python(packages: str = SYSTEM_PACKAGES, python: str = SYSTEM_PYTHON) -> BindingsPython:
    """Return the sender's Python if it can import ``gi``, else the one of the system.

    The system's packages are compiled for one version of Python, and the sender often has another.
    """
    if find_spec("gi") is not None:
        return BindingsPython()
    compiled = (os.path.join(packages, "gi", f"_gi{suffix}") for suffix in EXTENSION_SUFFIXES)
    if any(os.path.exists(path) for path in compiled):
        return BindingsPython(packages=(packages,))
    if os.access(python, os.X_OK):
        return BindingsPython(python)
    return BindingsPython()
