"""Builds programs that drive the native core, the fuzz targets among them, and runs them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from rankcast.core import LEVEL

REPOSITORY = Path(__file__).resolve().parents[2]
NATIVE = REPOSITORY / "tests" / "native"
FINDS = NATIVE / "finds"
TARGETS = tuple(sorted(path.stem.removeprefix("fuzz_") for path in NATIVE.glob("fuzz_*.c")))
PACKETS = "decode_packets"
"""Program that reads files of support/core_packets.py."""
FLAGS = ("-std=gnu11", "-O1", "-ffp-contract=off")


class Run(NamedTuple):
    """What became of an input."""

    result: int
    """Of the last call that failed, or 0."""
    digest: str
    """Of everything that was decoded."""


def module_of(path: Path) -> ModuleType:
    """Import a script."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def compile_with(command: Sequence[str]) -> None:
    """Run a compiler.

    Raises
    ------
    AssertionError
        With what it said.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def build_here(folder: Path, names: Sequence[str] = TARGETS) -> dict[str, Path]:
    """Link programs with the library in use, at the level in use."""
    core = module_of(REPOSITORY / "scripts" / "build_core.py")
    platform = core.PLATFORMS[core.this_platform()]
    suffix = f"_v{LEVEL}" if len(platform.levels) > 1 else ""
    renamed = folder / "names.h"
    renamed.write_text("".join(f"#define {name} {name}{suffix}\n" for name in core.functions()))
    library = core.CORE / platform.file
    tail = [str(library), f"-Wl,-rpath,{library.parent}", "-lm"]
    return _link(core, platform.target, folder, names, ["-include", str(renamed)], tail)


def build_static(folder: Path, target: str, names: Sequence[str] = TARGETS) -> dict[str, Path]:
    """Compile the core and programs for another system; they need no library."""
    core = module_of(REPOSITORY / "scripts" / "build_core.py")

    def compile_unit(unit: Path) -> str:
        made = str(folder / f"{unit.stem}.o")
        flags = [*core.FLAGS, *core.TRAPS]
        compile_with([*core.compiler(target), *flags, "-c", "-o", made, str(unit)])
        return made

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_unit, core.units()))
    return _link(core, target, folder, names, ["-static"], [*objects, "-lm"])


def _link(
    core: ModuleType,
    target: str,
    folder: Path,
    names: Sequence[str],
    head: list[str],
    tail: list[str],
) -> dict[str, Path]:
    suffix = ".exe" if "windows" in target else ""
    programs = {name: folder / f"{name}{suffix}" for name in names}

    def link(name: str) -> None:
        files = ("replay.c", f"fuzz_{name}.c") if name in TARGETS else (f"{name}.c",)
        sources = [str(NATIVE / file) for file in files]
        command = [*core.compiler(target), *FLAGS, f"-I{core.CORE}", *head]
        compile_with([*command, "-o", str(programs[name]), *sources, *tail])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(link, names))
    return programs


def replay(program: Path, files: Sequence[Path], *runner: str) -> list[Run]:
    """Run inputs through a target.

    Raises
    ------
    AssertionError
        If one ends the program.
    """
    done = subprocess.run(
        [*runner, str(program), *map(str, files)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    runs = [Run(int(line[1]), line[2]) for line in map(str.split, done.stdout.splitlines())]
    at = f"{program.name} at {files[len(runs)]}" if len(runs) < len(files) else program.name
    assert done.returncode == 0, f"{at}: ended with {done.returncode} {done.stderr[-500:]}"
    return runs
