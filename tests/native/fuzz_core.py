"""Fuzz the decoders of the native core and print a table: `make fuzz-core SECONDS=60 JOBS=1`.

libFuzzer with ASan and UBSan, which clang alone has. The next run starts from the interesting
inputs of this one, which stay in out/fuzz-core. An input that reads or writes outside a block, does
arithmetic that C leaves undefined or breaks what a target requires goes to out/fuzz-core/finds, and
the run fails; so it does if a target stops before --executions.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path.insert(0, str(REPOSITORY / "scripts"))

from build_core import CORE, units  # noqa: E402
from make_seeds import PARTS  # noqa: E402 - it stands beside this file

OUT = REPOSITORY / "out" / "fuzz-core"
TARGETS = tuple(sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.c")))
FLAGS = (
    "-std=gnu11", "-O1", "-gline-tables-only", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror",
    "-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all",
    *(f"-DRK_{count}_PARTS={pixels}" for count, pixels in PARTS.items()),
)  # fmt: skip
"""Without the core's -fno-strict-overflow: sums that wrap unintended are to be found."""
COMPILER = shlex.split(os.environ.get("RANKCAST_FUZZ_CC", "clang"))
MISSING = "clang with libFuzzer is missing: apt-get install clang libclang-rt-14-dev"
MIN_EXECUTIONS = 10
"""Fewer say nothing: not even the seeds went through."""
HANG_S = 20
MEMORY_MB = 1024
MAX_BYTES = 16384


@dataclass(frozen=True)
class Outcome:
    """One row of the table."""

    target: str
    executions: int
    coverage: str
    finds: tuple[Path, ...]
    failed: str

    def line(self) -> str:
        """The row as text."""
        left = f"{self.target:<16} {self.executions:>10,} {self.coverage:>9}"
        return f"{left} {len(self.finds):>6}  {self.failed}".rstrip()


def can_build() -> bool:
    """Whether the compiler links a target."""
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.c"
        empty.write_text(
            "int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long size);\n"
            "int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long size) {\n"
            "    return data == 0 && size > 0;\n}\n"
        )
        command = [*COMPILER, "-fsanitize=fuzzer,address,undefined", "-o", f"{folder}/empty"]
        try:
            done = subprocess.run([*command, str(empty)], capture_output=True, check=False)
        except FileNotFoundError:
            return False
        return done.returncode == 0


def build(targets: list[str]) -> None:
    """Compile the core with sanitizers, and link every target with it."""
    objects = OUT / "objects"
    objects.mkdir(parents=True, exist_ok=True)

    def run(*command: str) -> None:
        subprocess.run([*COMPILER, *FLAGS, *command], check=True)

    def compile_unit(unit: Path) -> str:
        made = str(objects / f"{unit.stem}.o")
        run("-fsanitize=fuzzer-no-link", "-c", "-o", made, str(unit))
        return made

    # The largest first: it takes longer than all the others together.
    largest_first = sorted(units(), key=lambda unit: unit.stem != "svd_patch")
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        made = list(pool.map(compile_unit, largest_first))
        links = [
            pool.submit(
                run, "-fsanitize=fuzzer", f"-I{CORE}", "-o", str(OUT / target),
                str(HERE / f"fuzz_{target}.c"), *made, "-lm",
            )
            for target in targets
        ]  # fmt: skip
        for link in links:
            link.result()


def fuzz(target: str, seconds: int, executions: int) -> Outcome:
    """Run one target in a process of its own."""
    finds, corpus = OUT / "finds" / target, OUT / "corpus" / target
    for folder in (finds, corpus):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(finds.iterdir())
    command = [
        str(OUT / target), str(corpus), str(OUT / "seeds" / target),
        f"-artifact_prefix={finds}/", f"-timeout={HANG_S}", f"-rss_limit_mb={MEMORY_MB}",
        f"-max_len={MAX_BYTES}", "-print_final_stats=1", f"-max_total_time={seconds}",
        *([f"-runs={executions}"] if executions else []),
    ]  # fmt: skip
    log = OUT / f"{target}.log"
    with log.open("wb") as output:
        code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT).returncode
    said = log.read_text(encoding="utf-8", errors="replace")
    counted = re.search(r"stat::number_of_executed_units:\s*(\d+)", said)
    done = int(counted.group(1)) if counted else 0
    coverage = re.findall(r"cov: (\d+)", said)
    found = tuple(sorted(set(finds.iterdir()) - before))
    failed = ""
    if code or found:
        failed = f"FAILED: {_reason(said)}; see {log.relative_to(REPOSITORY)}"
    elif done < (least := max(executions, MIN_EXECUTIONS)):
        failed = f"FAILED: only {done:,} of {least:,} inputs in the time"
    return Outcome(target, done, coverage[-1] if coverage else "-", found, failed)


def _reason(said: str) -> str:
    lines = [line.strip() for line in said.splitlines()]
    for line in lines:
        if "runtime error:" in line or "ERROR: " in line:
            return line.rpartition("runtime error: ")[2].rpartition("ERROR: ")[2][:100]
    return (lines[-1] if lines else "no output")[:100]


def main() -> int:
    """Run the targets; return 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="at most, of each target")
    parser.add_argument(
        "--executions", type=int, default=0,
        help="required of each; 0: as many as --seconds allow",
    )  # fmt: skip
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--jobs", type=int, default=1, help="targets to run at the same time")
    parser.add_argument("--check", action="store_true", help="only say whether it can run here")
    options = parser.parse_args()
    if not can_build():
        print(f"fuzz-core: {MISSING}")
        return 1
    if options.check:
        return 0
    build(options.targets)
    subprocess.run([sys.executable, str(HERE / "make_seeds.py"), str(OUT / "seeds")], check=True)
    print("target           executions  coverage  finds", flush=True)
    failed = False
    # Threads that wait for processes, one each.
    with ThreadPoolExecutor(max(1, options.jobs)) as pool:
        for outcome in pool.map(
            lambda target: fuzz(target, options.seconds, options.executions), options.targets
        ):
            print(outcome.line(), flush=True)
            for path in outcome.finds:
                print(f"  {path.relative_to(REPOSITORY)}", flush=True)
            failed |= bool(outcome.failed)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
