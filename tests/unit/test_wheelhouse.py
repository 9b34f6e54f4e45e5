"""`scripts/wheelhouse.py` without pip: what it refuses, and what it writes beside the wheels."""

from __future__ import annotations

import hashlib
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "wheelhouse.py"
WITH_WINDOWS = "opencv_python-4.10.0.84-cp37-abi3-manylinux_2_17_x86_64.whl"


class FakePip:
    """Writes the wheels that it is told to, and fails where it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheels: list[str] = [WITH_WINDOWS, "rankcast-0.1.0-py3-none-any.whl"]
        self.failing = ""
        self.calls: list[tuple[str, ...]] = []

    def __call__(self, *arguments: str) -> int:
        self.calls.append(arguments)
        if arguments[0] == self.failing:
            return 7
        for name in self.wheels if arguments[0] == "wheel" else ["opencv_python_headless-x.whl"]:
            (self.folder / name).write_bytes(name.encode())
        return 0


@pytest.fixture
def wheelhouse() -> ModuleType:
    spec = spec_from_file_location("wheelhouse", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pip(wheelhouse: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePip:
    made = FakePip(tmp_path / "wheels")
    monkeypatch.setattr(wheelhouse, "_pip", made)
    monkeypatch.setattr(sys, "argv", ["wheelhouse.py", str(made.folder)])
    return made


def test_the_headless_opencv_has_the_version_of_the_other(
    wheelhouse: ModuleType, pip: FakePip, capsys: pytest.CaptureFixture[str]
) -> None:
    assert wheelhouse.main() == 0
    assert pip.calls[0][-1] == str(SCRIPT.parents[1])
    assert pip.calls[1][0] == "download"
    assert pip.calls[1][-1] == "opencv-python-headless==4.10.0.84"
    assert "3 wheels" in capsys.readouterr().out
    lines = (pip.folder / "SHA256SUMS").read_bytes().decode().split("\n")
    assert lines.pop() == ""
    assert len(lines) == 3
    for line in lines:
        digest, name = line.split("  ")
        assert digest == hashlib.sha256((pip.folder / name).read_bytes()).hexdigest()


def test_extras_are_those_of_rankcast(
    wheelhouse: ModuleType, pip: FakePip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--extras", "gan,basler"])
    assert wheelhouse.main() == 0
    assert pip.calls[0][-1] == f"{SCRIPT.parents[1]}[gan,basler]"


def test_a_folder_with_files_is_refused(
    wheelhouse: ModuleType, pip: FakePip, capsys: pytest.CaptureFixture[str]
) -> None:
    pip.folder.mkdir()
    (pip.folder / "rankcast-0.0.9-py3-none-any.whl").touch()
    assert wheelhouse.main() == 2
    assert "want an empty folder" in capsys.readouterr().err
    assert pip.calls == []


def test_without_an_opencv_with_windows_one_line_says_so(
    wheelhouse: ModuleType, pip: FakePip, capsys: pytest.CaptureFixture[str]
) -> None:
    pip.wheels.remove(WITH_WINDOWS)
    assert wheelhouse.main() == 1
    said = capsys.readouterr().err
    assert "no wheel of opencv-python" in said
    assert said.count("\n") == 1
    assert not (pip.folder / "SHA256SUMS").exists()


@pytest.mark.parametrize("failing", ["wheel", "download"])
def test_what_pip_ends_with_is_the_exit_code(
    wheelhouse: ModuleType, pip: FakePip, failing: str
) -> None:
    pip.failing = failing
    assert wheelhouse.main() == 7
    assert not (pip.folder / "SHA256SUMS").exists()
