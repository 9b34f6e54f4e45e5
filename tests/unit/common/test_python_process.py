"""Python processes never import files of the current folder."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from rankcast.python_process import drop_current_folder, python_command

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("common", "sender", "receiver")


def test_a_child_does_not_import_from_its_current_folder(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('ran a file of the user')")
    done = subprocess.run(
        python_command("-c", "import numpy; print(numpy.__name__)"),
        cwd=tmp_path, capture_output=True, text=True, timeout=50,
    )  # fmt: skip
    assert (done.stdout.strip(), done.returncode) == ("numpy", 0), done.stderr


def test_a_checkout_in_the_current_folder_stays_importable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT / "common")
    assert python_command("-m", "rankcast") == [sys.executable, "-m", "rankcast"]
    monkeypatch.setattr(sys, "path", [str(ROOT / "common"), "/elsewhere"])
    drop_current_folder()
    assert sys.path[0] == str(ROOT / "common")


@pytest.mark.parametrize("entry", ["", "the current folder"])
def test_the_folder_that_python_put_first_is_dropped_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    monkeypatch.chdir(tmp_path)
    first = entry and str(tmp_path)
    monkeypatch.setattr(sys, "path", [first, "/elsewhere", str(tmp_path)])
    drop_current_folder()
    assert sys.path == ["/elsewhere", str(tmp_path)]
    drop_current_folder()
    assert sys.path == ["/elsewhere", str(tmp_path)]


def test_the_product_starts_python_only_by_python_command() -> None:
    """`sys.executable` elsewhere would be a child that imports from the current folder."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "python_process.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "executable"
    ]
    assert found == []
