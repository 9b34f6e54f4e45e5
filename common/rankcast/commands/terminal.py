"""Terminal output of the offline commands: width, progress and number formats."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

T = TypeVar("T")

PIPE_COLUMNS: Final = 120
"""Width of output that does not go to a terminal, so that logs contain whole tables."""


def console(least_columns: int = 0) -> Console:
    """Return a console for standard output, wide enough for tables even in a file.

    A terminal narrower than `least_columns` wraps lines; truncating them would lose figures.
    """
    out = Console(highlight=False)
    if not sys.stdout.isatty():
        out.width = PIPE_COLUMNS
    out.width = max(out.width, least_columns)
    return out


def with_progress(verb: str, total: int, work: Callable[[Callable[[], Any]], T]) -> T:
    """Show a progress bar on stderr while `work` runs, and remove it afterwards.

    Parameters
    ----------
    verb : str
        Text in front of the bar.
    total : int
        How often `work` calls its argument.
    work : callable
    """
    columns = (TextColumn(verb), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    terminal = Console(stderr=True)
    with Progress(
        *columns, console=terminal, transient=True, disable=not terminal.is_terminal
    ) as progress:
        task = progress.add_task("", total=total)
        return work(lambda: progress.advance(task))


@contextmanager
def bytes_progress(verb: str, path: Path) -> Iterator[Callable[[int], None]]:
    """Show on stderr how far a file was read, and remove it afterwards.

    Yields
    ------
    callable
        Call it with the place in the file, as often as is convenient.
    """
    columns = (TextColumn(verb), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    terminal = Console(stderr=True)
    shown = terminal.is_terminal
    with Progress(*columns, console=terminal, transient=True, disable=not shown) as progress:
        task = progress.add_task("", total=path.stat().st_size if shown and path.exists() else None)
        every = 1 << 22
        last = 0

        def advance_to(place: int) -> None:
            nonlocal last
            if shown and place >= last + every:
                last = place
                progress.update(task, completed=place)

        yield advance_to


def size_text(shape: tuple[int, ...], dtype: object) -> str:
    """Format shape and dtype, width first: ``768 x 512, colour, uint8``."""
    channels = 1 if len(shape) == 2 else shape[2]
    kind = {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")
    return f"{shape[1]} x {shape[0]}, {kind}, {dtype}"


def counted(count: int, noun: str) -> str:
    """Format a number of things: ``1 frame``, ``1,204 frames``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def ratio_text(raw_bytes: int, coded_bytes: int) -> str:
    """Format the compression ratio to the raw samples: ``19.30 : 1``."""
    return f"{raw_bytes / coded_bytes:.2f} : 1" if coded_bytes else "-"


def psnr_text(psnr_db: float) -> str:
    """Format ``31.42 dB``, or ``exact`` for a lossless picture."""
    return "exact" if psnr_db == float("inf") else f"{psnr_db:.2f} dB"
