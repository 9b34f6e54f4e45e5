"""Kernels: where their machine code is kept, and that interpreted ones agree to the bit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
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


def run(tmp_path: Path, code: str = KERNEL, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    for key in ("RANKCAST_CACHE_DIR", "XDG_CACHE_HOME"):
        clean.pop(key, None)
    script = tmp_path / "script.py"
    script.write_text(code)
    return subprocess.run(
        [sys.executable, str(script)],
        env={**clean, "PYTHONPATH": COMMON, **environment},
        capture_output=True,
        text=True,
        cwd=tmp_path,
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


# A cache that cannot be used: the same result, exit code 0, one line that names the folder.


def flip_a_byte(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


@pytest.mark.parametrize("pattern", ["*.nbi", "*.nbc"])
@pytest.mark.parametrize(
    "damage",
    [lambda _: b"", lambda data: data[: len(data) // 2], lambda data: b"\xa8" * len(data),
     flip_a_byte],
    ids=["empty", "cut", "garbage", "flipped"],
)  # fmt: skip
def test_damaged_files_are_compiled_again_and_replaced(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    pattern: str,
    damage: Callable[[bytes], bytes],
) -> None:
    monkeypatch.setattr(jit.numba.config, "CACHE_DIR", str(tmp_path))

    def result_of_a_new_process() -> int:
        monkeypatch.setattr(jit, "_reported", False)
        caplog.clear()
        return int(jit.kernel(increased)(np.int64(1)))

    assert result_of_a_new_process() == 2
    (damaged,) = tmp_path.rglob(pattern)
    damaged.write_bytes(damage(damaged.read_bytes()))
    assert result_of_a_new_process() == 2
    # A flipped byte in an index may also make it the index of another key: a plain miss.
    assert len(caplog.messages) <= 1
    if damage is not flip_a_byte or pattern == "*.nbc":
        assert f"kernel cache {damaged.parent}: damaged" in caplog.text
    assert result_of_a_new_process() == 2
    assert not caplog.messages, "the files were replaced"


def increased(value: int) -> int:
    return value + 1


def in_place_of_a_folder(base: Path) -> dict[str, str]:
    (base / "cache").write_bytes(b"")
    return {}


def of_nobody(base: Path) -> dict[str, str]:
    if not hasattr(os, "geteuid") or os.geteuid():
        pytest.skip("only root can give files away")
    name = f"kernels-{jit._source_hash()}"
    (base / "cache" / "rankcast" / name).mkdir(parents=True)
    os.chown(base / "cache" / "rankcast" / name, 12345, 12345)
    return {}


def open_to_all(base: Path) -> dict[str, str]:
    if os.name == "nt":
        pytest.skip("no modes here")
    name = f"kernels-{jit._source_hash()}"
    folder = base / "cache" / "rankcast" / name
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    return {}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(in_place_of_a_folder, "Not a directory|File exists"), (of_nobody, "another user"),
     (open_to_all, "other users may write")],
)  # fmt: skip
def test_a_folder_that_cannot_be_trusted_or_used_is_replaced_by_the_next(
    tmp_path: Path, spoil: Callable[[Path], dict[str, str]], reason: str
) -> None:
    spoil(tmp_path)
    home = tmp_path / "home"
    done = run(tmp_path, RANKCAST_CACHE_DIR=str(tmp_path / "cache"), HOME=str(home))
    (line,) = done.stderr.splitlines()
    assert re.search(rf"{re.escape(str(tmp_path / 'cache'))}\S* cannot be used: .*({reason})", line)
    assert line.endswith("instead")
    assert Path(done.stdout.split()[2]).is_relative_to(home)


def test_a_folder_for_numba_that_cannot_be_used_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    done = run(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "file"), HOME=str(tmp_path))
    (line,) = done.stderr.splitlines()
    assert f"kernel cache {tmp_path / 'file'} cannot be used" in line


WHERE = """
import logging
logging.basicConfig(level=logging.WARNING)
import rankcast.kernels.jit as jit
print(jit.os.environ.get("NUMBA_CACHE_DIR"))
"""


@pytest.mark.parametrize("variable", ["RANKCAST_CACHE_DIR", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"])
def test_a_tilde_in_every_variable_is_the_home_folder(tmp_path: Path, variable: str) -> None:
    home = tmp_path / "home"
    done = run(tmp_path, WHERE, HOME=str(home), **{variable: "~/c"})
    assert Path(done.stdout.strip()).is_relative_to(home / "c")
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("variable", ["RANKCAST_CACHE_DIR", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"])
@pytest.mark.parametrize("text", [" ", "~a-user-of-no-machine/c"])
def test_a_variable_that_names_no_folder_is_one_line_and_the_next_folder_is_used(
    tmp_path: Path, variable: str, text: str
) -> None:
    home = tmp_path / "home"
    done = run(tmp_path, WHERE, HOME=str(home), **{variable: text})
    assert Path(done.stdout.strip()).is_relative_to(home / ".cache")
    (line,) = done.stderr.splitlines()
    assert f"{variable}={text!r} cannot be used" in line


def test_a_relative_path_of_xdg_is_ignored(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = run(tmp_path, WHERE, HOME=str(home), XDG_CACHE_HOME="c")
    assert Path(done.stdout.strip()).is_relative_to(home / ".cache")
    assert not (tmp_path / "c").exists()
    assert done.stderr == ""


def test_without_a_home_folder_kernels_run(tmp_path: Path) -> None:
    done = run(tmp_path, HOME="")
    assert done.stdout.split()[0].isdigit()


def test_a_disk_that_is_full_is_found_before_the_first_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(jit.shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    assert jit._objection(tmp_path) == "1 MiB are free, want 32"
    (tmp_path / "complete-0").write_bytes(b"")
    assert jit._objection(tmp_path) == "", "a complete cache needs no more room"


SPOILED = """
import logging
logging.basicConfig(level=logging.WARNING)
import errno, numpy as np
import rankcast.kernels.jit as jit

def full(self, path):
    raise OSError(errno.ENOSPC, "No space left on device", path)

jit.IndexDataCacheFile._open_for_write = full

@jit.kernel
def one(values):
    return values[0]

@jit.kernel
def two(values):
    return one(values) + 1

print(two(np.arange(3, dtype=np.int64)))
jit.mark_compiled(b"")
print(jit.compiled_before())
"""


def test_a_disk_that_fills_up_meanwhile_is_one_line_and_the_cache_is_not_complete(
    tmp_path: Path,
) -> None:
    done = run(tmp_path, SPOILED, RANKCAST_CACHE_DIR=str(tmp_path / "cache"))
    assert done.stdout.split() == ["1", "False"]
    (line,) = done.stderr.splitlines()
    assert re.search(r"kernel cache \S+: No space left on device: kernels are compiled again", line)
    assert str(tmp_path / "cache") in line


LOCKED = """
import logging
logging.basicConfig(level=logging.WARNING)
import rankcast.kernels.jit as jit
from pathlib import Path
jit.LOCK_TIMEOUT_S = 0.1
how = Path("how").read_text()
path = Path(f"{jit._marker()}.lock")
if how == "folder":
    path.mkdir()
elif how == "held":
    holder = jit.FileLock(path)
    holder.acquire()
with jit.compile_lock():
    print("compiled")
"""


@pytest.mark.parametrize(
    ("how", "reason"),
    [("folder", "cannot be locked: Is a directory"), ("held", "locked for 0.1 s")],
)
def test_a_lock_that_cannot_be_taken_holds_nobody_up(tmp_path: Path, how: str, reason: str) -> None:
    (tmp_path / "how").write_text(how)
    done = run(tmp_path, LOCKED, RANKCAST_CACHE_DIR=str(tmp_path / "cache"))
    assert done.stdout.split() == ["compiled"]
    (line,) = done.stderr.splitlines()
    assert reason in line
    assert str(tmp_path / "cache") in line


IMPORT = """
try:
    import rankcast.kernels.warm
except Exception as exc:
    print(repr(exc))
"""


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("NUMBA_OPT", "many", "'NUMBA_OPT' is defined but its associated value 'many'"),
     ("NUMBA_CPU_FEATURES", "many", "NUMBA_CPU_FEATURES='many'"),
     ("NUMBA_CPU_NAME", "many", "NUMBA_CPU_NAME='many'"),
     ("NUMBA_NUM_THREADS", "0", "NUMBA_NUM_THREADS='0'"),
     ("NUMBA_CACHE_LOCATOR_CLASSES", "many", "NUMBA_CACHE_LOCATOR_CLASSES")],
)  # fmt: skip
def test_a_malformed_variable_of_numba_is_a_wrong_setting(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    done = run(tmp_path, IMPORT, RANKCAST_CACHE_DIR=str(tmp_path / "cache"), **{name: value})
    assert done.stdout.startswith("SettingsError(")
    assert said in done.stdout
    assert done.stderr == ""


def test_a_malformed_settings_file_of_numba_is_a_wrong_setting(tmp_path: Path) -> None:
    pytest.importorskip("yaml")  # without it numba reads no such file
    (tmp_path / ".numba_config.yaml").write_text("num_threads: 0\n")
    done = run(tmp_path, IMPORT, RANKCAST_CACHE_DIR=str(tmp_path / "cache"))
    assert done.stdout.startswith("SettingsError(")
    assert "numba does not load: Number of threads" in done.stdout
    assert done.stderr == ""
