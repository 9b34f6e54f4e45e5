"""The grabber process runs under any Python with the standard library alone."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import pytest

import rankcast_sender.devices
from rankcast.errors import SourceError
from rankcast_sender.grabber import DeviceOptions, DeviceSource, DeviceSpec

FOLDER = Path(rankcast_sender.devices.__file__).parent
PLAIN = ("__init__.py", "child.py", "device.py", "slots.py")
"""What every device needs; the modules of devices import their SDKs as well."""
SYSTEM_PYTHON = "/usr/bin/python3"


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("name", PLAIN)
def test_it_imports_the_standard_library_and_its_own_folder_alone(name: str) -> None:
    foreign = {
        module
        for module in imports(FOLDER / name)
        if module.partition(".")[0] not in sys.stdlib_module_names
        and not module.startswith("rankcast_sender.devices.")
    }
    assert not foreign


@pytest.mark.skipif(not os.path.exists(SYSTEM_PYTHON), reason=f"no {SYSTEM_PYTHON}")
def test_it_runs_under_the_python_of_the_system() -> None:
    # A module of the folder that has no device: it was found and loaded without our packages.
    spec = DeviceSpec("rankcast_sender.devices.slots", "camera", python=SYSTEM_PYTHON)
    source = DeviceSource(spec, DeviceOptions())
    with pytest.raises(
        SourceError, match=r"'rankcast_sender.devices.slots' has no attribute 'make"
    ):
        source.open()
    source.close()


def test_a_module_that_is_not_there_is_one_line() -> None:
    source = DeviceSource(DeviceSpec("rankcast_sender.devices.none", "camera"), DeviceOptions())
    with pytest.raises(SourceError, match="camera: ModuleNotFoundError: No module named"):
        source.open()
    source.close()


def test_a_python_that_is_not_there_is_one_line() -> None:
    with pytest.raises(SourceError, match=r"cannot be started .No such file"):
        DeviceSource(DeviceSpec("none", "camera", python="/no/python3"), DeviceOptions())
