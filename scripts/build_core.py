"""Compile the native core: for the build hook, for an editable install, and for `make wheels`.

    python scripts/build_core.py                      this machine, into the package
    python scripts/build_core.py aarch64-linux ...    other platforms, into out/core
    python scripts/build_core.py wasm                 the decoders as WebAssembly, into the package

The compiler is the `ziglang` wheel, pinned in pyproject.toml; RANKCAST_CC names another, such as
"gcc", which builds for this machine only. WebAssembly is always compiled by `ziglang`.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
CORE: Final = ROOT / "common" / "rankcast" / "core"
HEADER: Final = CORE / "rankcast_core.h"
SOURCES: Final = CORE / "src"
# Every import of the package in a checkout runs `digest`: functions import what only they need.
FLAGS: Final = (
    "-std=gnu11", "-O3", "-g0", "-fvisibility=hidden", "-ffreestanding",
    "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fno-strict-overflow",
    "-Wall", "-Wextra", "-Werror",
)  # fmt: skip
"""-ffp-contract=off: a fused multiply-add at one level only would change floats."""
TRAPS: Final = ("-fsanitize=bounds", "-fsanitize-undefined-trap-on-error")
ONCE: Final = "level.c"
"""Compiled once, at the lowest level: what the others have in common."""
WASM: Final = "rankcast_core.wasm"
WASM_EXPORTS: Final = (
    "rk_packet_memory_bytes", "rk_packet_decode", "rk_packet_decode_rgba", "rk_screen_to_bgr",
)  # fmt: skip
"""Decoders of whole packets; the linker drops whatever they do not need, encoders among it."""
_WASM_TARGET: Final = ("-target", "wasm32-freestanding", "-mcpu=generic+simd128+bulk_memory")
_WASM_OWN_FLAGS: Final = {
    # The calls that compilers insert must not become calls of themselves.
    ONCE: ("-fno-builtin",),
    # It reads lengths and calls the kernels: its speed matters less than its size.
    "packet.c": ("-Os",),
}
_WASM_STACK_BYTES: Final = 1 << 18
"""The deepest call takes 70 kB: models of a band, cosines of a block."""


@dataclass(frozen=True, slots=True)
class Platform:
    """One system that a wheel is built for."""

    target: str
    """Of zig. A glibc of 2.17 is the oldest that numpy's own wheels run on."""
    wheel_tag: str
    file: str
    levels: tuple[tuple[str, str], ...] = (("baseline", ""),)
    """Processors, and the suffix of the functions that are compiled for each."""


_LEVELS: Final = (("x86_64_v2", "_v2"), ("x86_64_v3", "_v3"))
_FILE: Final = "librankcast_core"
PLATFORMS: Final = {
    "x86_64-linux": Platform(
        "x86_64-linux-gnu.2.17",
        "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64",
        f"{_FILE}.so", _LEVELS,
    ),
    "aarch64-linux": Platform(
        "aarch64-linux-gnu.2.17",
        "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
        f"{_FILE}.so",
    ),
    "x86_64-windows": Platform("x86_64-windows-gnu", "win_amd64", f"{_FILE}.dll", _LEVELS),
    "aarch64-windows": Platform("aarch64-windows-gnu", "win_arm64", f"{_FILE}.dll"),
    "x86_64-macos": Platform(
        "x86_64-macos.11.0", "macosx_11_0_x86_64", f"{_FILE}.dylib", _LEVELS
    ),
    "aarch64-macos": Platform("aarch64-macos.11.0", "macosx_11_0_arm64", f"{_FILE}.dylib"),
}  # fmt: skip


class BuildError(Exception):
    """The core could not be compiled; the text says why and what to do."""


def this_platform() -> str:
    """Return the name of the platform that runs this script."""
    import platform

    machine = platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    system = {"darwin": "macos", "windows": "windows"}.get(platform.system().lower(), "linux")
    name = f"{machine}-{system}"
    if name not in PLATFORMS:
        raise BuildError(f"no build of the native core for {name}, only for {', '.join(PLATFORMS)}")
    return name


def digest() -> str:
    """Return what changes whenever the core has to be compiled again."""
    found = hashlib.sha256(os.environ.get("RANKCAST_CC", "").encode())
    for path in (Path(__file__), HEADER, *sorted(SOURCES.rglob("*.[ch]"))):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def units() -> list[Path]:
    """Return the files that are compiled each on its own.

    A folder is one unit, through its file of the same name: it includes the others, so that
    all functions but those of the header are static.
    """
    files = [path for path in SOURCES.glob("*.c") if path.name != ONCE]
    return sorted(files + [path / f"{path.name}.c" for path in SOURCES.iterdir() if path.is_dir()])


def compiler(target: str) -> list[str]:
    """Return the command of the compiler for a target."""
    import shlex

    if own := os.environ.get("RANKCAST_CC"):
        return shlex.split(own)
    return [*zig(), "cc", "-target", target]


def zig() -> list[str]:
    """Return the command of the `ziglang` wheel."""
    try:
        import ziglang  # noqa: F401
    except ImportError:
        raise BuildError(
            "the native core has to be compiled and ziglang is not installed: run `make setup`, or "
            "name another compiler, as in RANKCAST_CC=gcc"
        ) from None
    return [sys.executable, "-m", "ziglang"]


def build(name: str, folder: Path) -> Path:
    """Compile the core for a platform into `folder`; return the shared library."""
    import tempfile
    from concurrent.futures import ThreadPoolExecutor

    wanted = PLATFORMS[name]
    own = bool(os.environ.get("RANKCAST_CC"))
    command = compiler(wanted.target)
    pic = [] if "windows" in name else ["-fPIC"]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        jobs = []
        for processor, suffix in wanted.levels:
            renamed = Path(scratch) / f"names{suffix}.h"
            renamed.write_text(
                "".join(f"#define {function} {function}{suffix}\n" for function in functions())
            )
            march = f"-march={processor.replace('_v', '-v').replace('x86_64', 'x86-64')}"
            where = [march if own else f"-mcpu={processor}"] if suffix or not own else []
            jobs += [
                (unit, f"{unit.stem}{suffix}.o",
                 [*where, *FLAGS, *TRAPS, *(["-include", str(renamed)] if suffix else [])])
                for unit in units()
            ]  # fmt: skip
        lowest = wanted.levels[0][0]
        where = [] if own else [f"-mcpu={lowest}"]
        jobs.append((SOURCES / ONCE, "level.o", [*where, *FLAGS, "-fno-builtin"]))

        def compile_one(job: tuple[Path, str, list[str]]) -> str:
            unit, object_name, flags = job
            out = str(Path(scratch) / object_name)
            _run([*command, *flags, *pic, "-c", "-o", out, str(unit)])
            return out

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            objects = list(pool.map(compile_one, jobs))
        link = ["-shared", "-s", *(["-nostdlib"] if "linux" in name else [])]
        built = Path(scratch) / wanted.file
        _run([*command, *link, *pic, "-o", str(built), *objects])
        target = folder / wanted.file
        # A library that runs elsewhere is replaced, never written over.
        part = target.with_name(f".{target.name}.{os.getpid()}")
        part.write_bytes(built.read_bytes())
        part.chmod(0o755)
        part.replace(target)
    return target


def build_wasm(folder: Path) -> Path:
    """Compile the decoders of whole packets as WebAssembly into `folder`; return the module.

    It imports nothing, exports its memory and `__heap_base`, from where on the memory is the
    caller's, and traps where a check of an index fails.
    """
    import tempfile
    from concurrent.futures import ThreadPoolExecutor

    folder.mkdir(parents=True, exist_ok=True)
    target = folder / WASM
    with tempfile.TemporaryDirectory() as scratch:

        def compile_one(unit: Path) -> str:
            out = f"{scratch}/{unit.stem}.o"
            own = _WASM_OWN_FLAGS.get(unit.name, ())
            _run([*zig(), "cc", *_WASM_TARGET, *FLAGS, *TRAPS, *own, "-c", "-o", out, str(unit)])
            return out

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            objects = list(pool.map(compile_one, [*units(), SOURCES / ONCE]))
        built = Path(scratch) / WASM
        exports = [f"--export={name}" for name in (*WASM_EXPORTS, "__heap_base")]
        # The stack lies below everything else, so that an overflow traps and overwrites nothing.
        stack = ["-z", f"stack-size={_WASM_STACK_BYTES}", "--stack-first"]
        link = ["wasm-ld", "--no-entry", "--gc-sections", "--strip-all", *exports, *stack]
        _run([*zig(), *link, "-o", str(built), *objects])
        part = target.with_name(f".{target.name}.{os.getpid()}")
        part.write_bytes(built.read_bytes())
        part.replace(target)
    return target


def build_here() -> Path:
    """Compile the core for this machine into the package, with its digest beside it."""
    sources = digest()
    built = build(this_platform(), CORE)
    built.with_suffix(".digest").write_text(sources)
    return built


def build_wasm_here() -> Path:
    """Compile the decoders as WebAssembly into the package, with their digest beside them."""
    sources = digest()
    built = build_wasm(CORE)
    built.with_suffix(".digest").write_text(sources)
    return built


def functions() -> list[str]:
    """Return the names of all functions of the header that exist once a level."""
    names = re.findall(r"^RK_API [\w ]+?\**(rk_\w+)\(", HEADER.read_text(), re.MULTILINE)
    return [name for name in names if name != "rk_level"]


def _run(command: list[str]) -> None:
    import shlex
    import subprocess

    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise BuildError(f"{shlex.join(command)} failed:\n{result.stderr.strip()}")


def main() -> int:
    """Compile for the platforms named on the command line."""
    try:
        if not sys.argv[1:]:
            print(build_here())
        for name in sys.argv[1:]:
            print(
                build_wasm_here() if name == "wasm" else build(name, ROOT / "out" / "core" / name)
            )
    except BuildError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
