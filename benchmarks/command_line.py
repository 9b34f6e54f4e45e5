"""Command line of all benchmarks: options, the table on stderr and the JSON."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from record import Record, commit
from report import figure


def option_parser(docstring: str | None, *, data: bool = False) -> argparse.ArgumentParser:
    """Return a parser with the options of every benchmark.

    Parameters
    ----------
    docstring : str
        Docstring of the benchmark; its first line is the help text.
    data : bool
        True adds ``--data``, for benchmarks that can measure on real pictures.
    """
    commit()  # records the commit now, because the tree may change during the run
    parser = argparse.ArgumentParser(description=(docstring or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="short run, as a functional check")
    parser.add_argument("--output", type=Path, help="write the JSON to this file, not to stdout")
    if data:
        parser.add_argument(
            "--data", type=existing_folder, help="folder with kodak/, video/, seq/ and raw16/"
        )
    return parser


def existing_folder(text: str) -> Path:
    """Convert an argument that must name a folder."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return path


def data_name(data: Path | None) -> str:
    """Return how a record names its pictures."""
    return "synthetic frames" if data is None else "real pictures and clips"


def say(text: str) -> None:
    """Write a line to stderr; stdout is reserved for JSON."""
    print(text, file=sys.stderr, flush=True)


def finish(record: Record, output: Path | None) -> int:
    """Show the rows, write the JSON and return the exit code: 1 if a bar was missed."""
    record = record.here_and_now()
    width = max(len(row.what) for row in record.rows)
    for row in record.rows:
        against = f"{figure(row.ratio)} of {row.peer}" if row.ratio is not None else row.peer
        shown = f"{figure(row.value)} {row.unit}".strip()
        say(f"{row.what:<{width}}  {shown:>16}  {against:<32} {row.bar or ''}".rstrip())
    for row in record.missed:
        shown = figure(row.ratio if row.value is None else row.value)
        say(f"FAILED: {row.what}: {shown}, must be {row.bar}")
    text = record.to_json()
    if output is None:
        sys.stdout.write(text)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, "utf-8")
    return int(bool(record.missed))
