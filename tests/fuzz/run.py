"""Run the fuzz targets and print a table: `make fuzz SECONDS=60 JOBS=1`.

The next run starts from the interesting inputs of this one, which stay in out/fuzz. An input that
raises anything but a RankcastError or takes more than a second of processor time or 512 MB goes to
out/fuzz/finds, and the run fails. It also fails if fewer than 30 % of the inputs of a target reach
what it tests, if too few ran to tell, or fewer than --executions asks for.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
SEEDS = HERE.parent / "corpus" / "seeds"
OUT = REPOSITORY / "out" / "fuzz"
DECODERS = ("raw", "jpeg", "lossless", "svd", "svd-patch", "pca", "kmeans", "gan")
TARGETS = (
    "wire",
    "status",
    "receiver",
    "control",
    "requests",
    "key-policy",
    "model",
    "recording",
    *DECODERS,
)
MIN_REACHED = 0.30
MIN_EXECUTIONS = 100
"""A hundred inputs give the share to within 9 points; fewer say nothing."""
MORE_TIME = 20
"""Times the seconds, for a target that a busy machine let have fewer inputs."""
MEMORY_MB = 512
TORCH_MB = 512
"""Extra for the one target that loads torch: 490 MB are in use before its first input."""
HANG_S = 30
"""Wall time after which libFuzzer aborts an input."""


@dataclass(frozen=True)
class Outcome:
    """One row of the table."""

    target: str
    executions: int
    reached: float
    accepted: float
    coverage: str
    finds: tuple[Path, ...]
    failed: str

    def line(self) -> str:
        """The row as text."""
        left = f"{self.target:<10} {self.executions:>10,}"
        shares = f"{self.reached:>8.0%} {self.accepted:>9.0%} {self.coverage:>9}"
        return f"{left} {shares} {len(self.finds):>6}  {self.failed}".rstrip()


def fuzz(target: str, seconds: int, executions: int, seed: int) -> Outcome:
    """Run one target in a process of its own."""
    finds = OUT / "finds" / target
    corpus = OUT / "corpus" / target
    for folder in (finds, corpus):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(finds.iterdir())
    stats = OUT / f"{target}.json"
    stats.unlink(missing_ok=True)
    command = [
        sys.executable, str(HERE / f"fuzz_{target.replace('-', '_')}.py"),
        str(corpus), str(SEEDS / target), f"-artifact_prefix={finds}/", f"-timeout={HANG_S}",
        f"-rss_limit_mb={MEMORY_MB}", "-max_len=65536", "-print_final_stats=1",
        f"-max_total_time={seconds}", f"-seed={seed}",
        *([f"-runs={executions}"] if executions else []),
    ]  # fmt: skip
    if target == "gan":
        command.append(f"-rss_limit_mb={MEMORY_MB + TORCH_MB}")  # the last one counts
    log = OUT / f"{target}.log"
    with log.open("wb") as output:
        code = subprocess.run(
            command,
            env=os.environ | {"RANKCAST_FUZZ_STATS": str(stats)},
            stdout=output,
            stderr=subprocess.STDOUT,
        ).returncode
    said = log.read_text(encoding="utf-8", errors="replace")
    counts = json.loads(stats.read_text(encoding="utf-8")) if stats.exists() else {}
    counted = int(counts.get("executions", 0))
    reached, accepted = (counts.get(key, 0) / max(1, counted) for key in ("reached", "accepted"))
    # libFuzzer ends the process without notice: the counts of the last half second are missing.
    counted_by_libfuzzer = re.search(r"stat::number_of_executed_units:\s*(\d+)", said)
    done = max(counted, int(counted_by_libfuzzer.group(1)) if counted_by_libfuzzer else 0)
    coverage = re.findall(r"cov: (\d+)", said)
    found = tuple(sorted(set(finds.iterdir()) - before))
    failed = ""
    if code or found:
        failed = f"FAILED: {_reason(said)}; see {log.relative_to(REPOSITORY)}"
    elif short := shortfall(done, reached, executions):
        failed = f"FAILED: {short}"
    return Outcome(
        target, done, reached, accepted, coverage[-1] if coverage else "-", found, failed
    )


def fuzz_enough(target: str, seconds: int, executions: int, seed: int) -> Outcome:
    """Run one target; once more, with more time, if the time was too short to prove anything."""
    outcome = fuzz(target, seconds, executions, seed)
    if executions or outcome.finds or outcome.executions >= MIN_EXECUTIONS:
        return outcome
    return fuzz(target, MORE_TIME * seconds, MIN_EXECUTIONS, seed)


def shortfall(done: int, reached: float, executions: int) -> str:
    """Return why a run without a find proves too little; empty if it proves enough."""
    least = max(executions, MIN_EXECUTIONS)
    if done < least:
        return f"only {done:,} of {least:,} inputs in the time"
    return (
        f"fewer than {MIN_REACHED:.0%} of the inputs reach the target"
        if reached < MIN_REACHED
        else ""
    )


def _reason(said: str) -> str:
    lines = [line.strip() for line in said.splitlines()]
    for index, line in enumerate(lines):
        if "Uncaught Python exception" in line:
            return " ".join(lines[index + 1 : index + 2])[:100]
        if "ERROR: libFuzzer" in line:
            return line.partition("ERROR: ")[2][:100]
    return (lines[-1] if lines else "no output")[:100]


def main() -> int:
    """Run the targets; return 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="at most, of each target")
    parser.add_argument(
        "--executions", type=int, default=0,
        help="required of each; 0: as many as --seconds allow",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=int, default=0,
        help="of the mutations, so that a run can be repeated; 0: another one each time",
    )  # fmt: skip
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--jobs", type=int, default=1, help="targets to run at the same time")
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("fuzz: atheris is not installed: pip install 'rankcast[fuzz]' (Linux, CPython)")
        return 1
    OUT.mkdir(parents=True, exist_ok=True)
    print("target     executions  reached  accepted  coverage  finds", flush=True)
    failed = False
    # Threads that wait for processes, one each.
    with ThreadPoolExecutor(max(1, options.jobs)) as pool:
        for outcome in pool.map(
            lambda target: fuzz_enough(target, options.seconds, options.executions, options.seed),
            options.targets,
        ):
            print(outcome.line(), flush=True)
            for path in outcome.finds:
                print(f"  {path.relative_to(REPOSITORY)}", flush=True)
            failed |= bool(outcome.failed)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
