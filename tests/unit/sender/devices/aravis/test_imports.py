"""The device runs under the system's Python: it imports nothing that pip has installed."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from rankcast_sender.devices import aravis

FOLDER = Path(aravis.__file__).parent
SHARED = ("frame_gaps.py", "genicam_features.py", "genicam_settings.py")
MODULES = [*sorted(FOLDER.glob("*.py")), *(FOLDER.parent / name for name in SHARED)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_it_imports_the_standard_library_the_bindings_and_devices_alone(path: Path) -> None:
    foreign = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        foreign.update(
            name
            for name in names
            if name.partition(".")[0] not in (*sys.stdlib_module_names, "gi")
            and not name.startswith("rankcast_sender.devices")
        )
    assert not foreign
