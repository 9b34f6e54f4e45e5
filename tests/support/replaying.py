"""Builds the fuzz targets of the native core as plain programs, and runs inputs through them."""

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


def build_here(folder: Path) -> dict[str, Path]:
    """Link every target with the library in use, at the level in use."""
    core = module_of(REPOSITORY / "scripts" / "build_core.py")
    platform = core.PLATFORMS[core.this_platform()]
    suffix = f"_v{LEVEL}" if len(platform.levels) > 1 else ""
    names = folder / "names.h"
    names.write_text("".join(f"#define {name} {name}{suffix}\n" for name in core.functions()))
    library = core.CORE / platform.file
    tail = [str(library), f"-Wl,-rpath,{library.parent}", "-lm"]
    return _link(core, platform.target, folder, ["-include", str(names)], tail)


def build_static(folder: Path, target: str) -> dict[str, Path]:
    """Compile the core and every target for another system, as programs that need no library."""
    core = module_of(REPOSITORY / "scripts" / "build_core.py")

    def compile_unit(unit: Path) -> str:
        made = str(folder / f"{unit.stem}.o")
        flags = [*core.FLAGS, *core.TRAPS]
        compile_with([*core.compiler(target), *flags, "-c", "-o", made, str(unit)])
        return made

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_unit, core.units()))
    return _link(core, target, folder, ["-static"], [*objects, "-lm"])


def _link(
    core: ModuleType, target: str, folder: Path, head: list[str], tail: list[str]
) -> dict[str, Path]:
    programs = {name: folder / name for name in TARGETS}

    def link(name: str) -> None:
        sources = [str(NATIVE / "replay.c"), str(NATIVE / f"fuzz_{name}.c")]
        command = [*core.compiler(target), *FLAGS, f"-I{core.CORE}", *head]
        compile_with([*command, "-o", str(programs[name]), *sources, *tail])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(link, TARGETS))
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
