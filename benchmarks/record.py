"""The record that every benchmark writes: rows of figures with machine, commit and date."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, Self

REPOSITORY: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = REPOSITORY / "benchmarks" / "results"
GENERATED: Final = ("benchmarks/results", "docs/benchmarks.md", "README.md")
"""Files rewritten by the benchmarks, whose changes do not make a commit dirty."""
_VARIABLES: Final = {
    "synthetic frames": "",
    "real pictures and clips": " DATA=DIR",
    "one clip": " CLIP=FILE",
}
"""Variables to pass to `make` for each kind of data."""


@dataclass(frozen=True, slots=True)
class Bar:
    """The limit that a figure must satisfy."""

    relation: Literal["<=", ">=", "=="]
    limit: float

    def met_by(self, value: float) -> bool:
        """Return True if `value` is within the limit."""
        if self.relation == "<=":
            return value <= self.limit
        if self.relation == ">=":
            return value >= self.limit
        return value == self.limit

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text of a bar, as `str` returns it."""
        relation, _, limit = text.partition(" ")
        if relation not in ("<=", ">=", "=="):
            raise ValueError(f"bar {text!r} must be '<= N', '>= N' or '== N'")
        return cls(relation, float(limit))

    def __str__(self) -> str:
        return f"{self.relation} {self.limit:g}"


def at_most(limit: float) -> Bar:
    """Return the bar of a figure that should be small."""
    return Bar("<=", limit)


def at_least(limit: float) -> Bar:
    """Return the bar of a figure that should be large."""
    return Bar(">=", limit)


def exactly(limit: float) -> Bar:
    """Return the bar of a count."""
    return Bar("==", limit)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure."""

    what: str
    """Unique within the record."""
    value: float | None = None
    unit: str = ""
    bar: Bar | None = None
    """Limit of `value` or, if there is none, of `ratio`."""
    peer: str = ""
    """Name of the reference that the figure is compared with."""
    ratio: float | None = None
    """Value of Rankcast over that of the peer."""

    @property
    def missed(self) -> bool:
        """True if the figure misses its bar."""
        judged = self.ratio if self.value is None else self.value
        return self.bar is not None and judged is not None and not self.bar.met_by(judged)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Build a row from its JSON object."""
        return cls(**row | {"bar": Bar.parse(row["bar"]) if row["bar"] else None})

    def to_json(self) -> dict[str, Any]:
        """Return the row as a JSON object."""
        return asdict(self) | {"bar": "" if self.bar is None else str(self.bar)}


@dataclass(frozen=True, slots=True)
class Record:
    """The figures of one run of one benchmark."""

    name: str
    """Name of the benchmark: ``codec-speed`` is benchmarks/codec_speed.py."""
    title: str
    about: str
    """What was measured and how, in a sentence or two."""
    rows: tuple[Row, ...]
    data: str = "synthetic frames"
    quick: bool = False
    """True for a shortened run, whose figures only show that the benchmark works."""
    commit: str = ""
    processor: str = ""
    date: str = ""

    @property
    def command(self) -> str:
        """Command that repeats the measurement."""
        quick = " QUICK=1" if self.quick else ""
        return f"make bench-{self.name}{_VARIABLES[self.data]}{quick}"

    @property
    def missed(self) -> list[Row]:
        """Rows that miss their bars."""
        return [row for row in self.rows if row.missed]

    def row(self, what: str) -> Row:
        """Return the row of this name."""
        for row in self.rows:
            if row.what == what:
                return row
        raise KeyError(f"benchmark {self.name} has no row {what!r}")

    def here_and_now(self) -> Self:
        """Return the record with this commit, this processor and today's date."""
        today = datetime.now(UTC).date().isoformat()
        return replace(self, commit=commit(), processor=processor(), date=today)

    def to_json(self) -> str:
        """Return the record as a JSON document."""
        found = {"name": self.name, "title": self.title, "command": self.command}
        found |= {key: value for key, value in asdict(self).items() if key not in found}
        found["rows"] = [row.to_json() for row in self.rows]
        return json.dumps(found, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse the output of `to_json`."""
        found = json.loads(text)
        command = found.pop("command")
        record = cls(**found | {"rows": tuple(Row.from_json(row) for row in found["rows"])})
        if record.command != command:
            raise ValueError(f"record {record.name} names the command {command!r}")
        return record


def read_records(folder: Path = RESULTS) -> list[Record]:
    """Read the records of a folder, sorted by name."""
    return [Record.from_json(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]


def rounded(rows: Sequence[Row], digits: int = 4) -> tuple[Row, ...]:
    """Return the rows with figures rounded to significant digits that are reproducible."""

    def shorter(value: float | None) -> float | None:
        return value if value is None or isinstance(value, int) else float(f"{value:.{digits}g}")

    return tuple(replace(row, value=shorter(row.value), ratio=shorter(row.ratio)) for row in rows)


@cache
def commit() -> str:
    """Return the short hash of the commit; ``+`` marks a tree with uncommitted changes.

    The result of the first call is kept, because the tree may change while a benchmark runs.
    """
    changes = ("status", "--porcelain", "--untracked-files=no", "--", ".")
    dirty = _git(*changes, *(f":(exclude){path}" for path in GENERATED))
    return _git("rev-parse", "--short=7", "HEAD") + ("+" if dirty else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(REPOSITORY), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def processor() -> str:
    """Return the processor model and the number of CPUs available to this process."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {count} CPUs"
