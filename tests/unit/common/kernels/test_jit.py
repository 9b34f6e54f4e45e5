"""Kernels: where their machine code is kept, and that interpreted ones agree to the bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rankcast.kernels import jit

COMMON = str(Path(jit.__file__).resolve().parents[2])

KERNEL = """
import logging
logging.basicConfig(level=logging.WARNING)
import numpy as np
from rankcast.kernels.jit import CACHED, inline_kernel, kernel
import rankcast.kernels.jit as jit

@inline_kernel
def twice(x):
    return x + x

@kernel
def mix(values):
    state = 1
    for value in values:
        state = (twice(state) * 31 + value) & 0xFFFFFFFF
    return state

print(mix(np.arange(1000, dtype=np.int64)), CACHED, jit.os.environ.get("NUMBA_CACHE_DIR"))
"""


def run(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    for key in ("RANKCAST_CACHE_DIR", "XDG_CACHE_HOME"):
        clean.pop(key, None)
    script = tmp_path / "script.py"
    script.write_text(KERNEL)
    return subprocess.run(
        [sys.executable, str(script)],
        env={**clean, "PYTHONPATH": COMMON, **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )


def test_compiled_checked_and_interpreted_kernels_agree_to_the_bit(tmp_path: Path) -> None:
    cache = {"RANKCAST_CACHE_DIR": str(tmp_path)}
    results = {
        run(tmp_path, **cache, **extra).stdout.split()[0]
        for extra in ({}, {"NUMBA_DISABLE_JIT": "1"}, {"NUMBA_BOUNDSCHECK": "1"})
    }
    assert len(results) == 1


def test_machine_code_is_kept_in_the_named_folder_under_a_hash_of_the_sources(
    tmp_path: Path,
) -> None:
    done = run(tmp_path, RANKCAST_CACHE_DIR=str(tmp_path / "cache"))
    _, cached, folder = done.stdout.split()
    assert cached == "True"
    assert Path(folder).parent == tmp_path / "cache" / "rankcast"
    assert Path(folder).name.startswith("kernels-")
    assert list(Path(folder).rglob("*.nbi")), "nothing was kept"
    assert done.stderr == ""


def test_without_any_writable_folder_kernels_still_run_and_say_so(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    done = run(tmp_path, RANKCAST_CACHE_DIR=str(blocked), HOME=str(blocked))
    number, cached, folder = done.stdout.split()
    assert number.isdigit()
    assert (cached, folder) == ("False", "None")
    assert "compiled at every start" in done.stderr


def test_a_folder_that_the_user_chose_for_numba_is_left_alone(tmp_path: Path) -> None:
    done = run(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "mine"))
    assert done.stdout.split()[1:] == ["True", str(tmp_path / "mine")]


def test_any_edit_of_what_kernels_are_made_of_starts_a_new_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "jit.py").write_text("a = 1")
    (tmp_path / "codec").mkdir()
    (tmp_path / "codec" / "tables.py").write_text("b = 1")
    (tmp_path / "planes.py").write_text("@kernel\ndef c(): return 1")
    (tmp_path / "cli.py").write_text("d = 1")
    monkeypatch.setattr(jit, "__file__", str(tmp_path / "kernels" / "jit.py"))
    first = jit._source_hash()
    assert jit._source_hash() == first
    (tmp_path / "cli.py").write_text("d = 2")
    assert jit._source_hash() == first
    (tmp_path / "codec" / "tables.py").write_text("b = 2")
    second = jit._source_hash()
    assert second != first
    (tmp_path / "planes.py").write_text("@kernel\ndef c(): return 2")
    assert jit._source_hash() != second
