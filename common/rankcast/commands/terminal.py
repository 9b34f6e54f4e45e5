"""What the offline commands share of the terminal."""

from __future__ import annotations

import sys

from rich.console import Console

PIPE_COLUMNS = 120
"""Width where the output is no terminal: a table in a log is not cut at 80 columns."""


def console(least_columns: int = 0) -> Console:
    """Standard output, wide enough for a table also where it goes to a file.

    Below `least_columns` the terminal wraps the lines: cut ones would lose figures.
    """
    out = Console(highlight=False)
    if not sys.stdout.isatty():
        out.width = PIPE_COLUMNS
    out.width = max(out.width, least_columns)
    return out


def size_text(shape: tuple[int, ...], dtype: object) -> str:
    """Width first, as everybody says it: ``768 x 512, 3 channels, uint8``."""
    channels = 1 if len(shape) == 2 else shape[2]
    kind = {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")
    return f"{shape[1]} x {shape[0]}, {kind}, {dtype}"


def ratio_text(raw_bytes: int, coded_bytes: int) -> str:
    """How many times smaller than the samples themselves: ``19.3 : 1``."""
    return f"{raw_bytes / coded_bytes:.2f} : 1" if coded_bytes else "-"


def psnr_text(psnr_db: float) -> str:
    """``31.42 dB``, or ``exact`` where nothing was lost."""
    return "exact" if psnr_db == float("inf") else f"{psnr_db:.2f} dB"
