"""The command `rankcast demo`: streams between two processes, with figures and pictures."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from rankcast.atomic_file import make_folder
from rankcast.codec import CODECS_BY_NAME
from rankcast.commands.contact_sheet import ERROR_GAIN, SheetRow, contact_sheet
from rankcast.commands.stream_run import StreamRun, kill_children, run_stream
from rankcast.commands.terminal import console as terminal_console
from rankcast.decoder import Decoder
from rankcast.encoder import Encoder
from rankcast.errors import UnsupportedImageError
from rankcast.frame import Pixels
from rankcast.images import write_image
from rankcast.numerics import psnr_db, ssim
from rankcast.path_parameter import PATH
from rankcast.runtime import StopFlag, stop_flag

DEFAULT_SOURCE: Final = "synthetic:conveyor"
SHEET: Final = "contact-sheet.png"
TABLE_COLUMNS: Final = 80
"""Width of the narrowest terminal that shows each table row on one line."""
_SHOWN: Final[tuple[tuple[str, Mapping[str, Any]], ...]] = (
    ("svd", {"rank": 0.1}),
    ("svd-patch", {}),
)


@click.command()
@click.option("--source", default=DEFAULT_SOURCE, show_default=True, metavar="URI",
              help="Source, as for `rankcast send`.")  # fmt: skip
@click.option("--frames", default=45, show_default=True, metavar="N",
              type=click.IntRange(2, 100_000), help="Number of frames for each codec.")  # fmt: skip
@click.option("--out", type=PATH, metavar="DIR",
              default=Path("rankcast-demo"), show_default=True,
              help="Folder for the contact sheet, created if missing.")  # fmt: skip
def demo(source: str, frames: int, out: Path) -> int:
    """Stream from a sender to a receiver on this machine, and show the results.

    Prints one row for each codec, with JPEG at the same PSNR next to it, and writes a contact
    sheet.
    """
    console = terminal_console(TABLE_COLUMNS)
    if not console.is_terminal:
        console.width = TABLE_COLUMNS
    make_folder(out)
    console.print(f"sender and receiver on this machine, {frames} frames of {source} per codec")
    with stop_flag() as flag, tempfile.TemporaryDirectory(prefix="rankcast-demo-") as work:
        flag.on_abort = kill_children
        runs = _run_all(source, frames, Path(work), console, flag)
    if not runs:
        console.print("stopped")
        return 0
    console.print(_table(runs))
    console.print("CPU: processor time per frame; lost: at either end\n")
    shown = [(name, run) for name, run in runs if run.kept]
    for name, run in runs:
        lost = ", ".join(f"{count} {cause}" for cause, count in sorted(_losses(run).items()))
        console.print(
            f"{name}: PSNR and SSIM over {len(run.kept)} frames kept at both ends; "
            f"lost {lost or 'none'}"
        )
    if shown:
        sheet = out / SHEET
        first = list(shown[0][1].kept)
        wanted = first[len(first) // 2]
        write_image(sheet, contact_sheet([_sheet_row(name, run, wanted) for name, run in shown]))
        console.print(f"contact sheet: {sheet}", soft_wrap=True)
    else:
        console.print("no contact sheet: no frame was kept at both ends; use more --frames")
    return 0


def _run_all(
    source: str, frames: int, work: Path, console: Console, flag: StopFlag
) -> list[tuple[str, StreamRun]]:
    """Run each codec, and JPEG at the PSNR it reached; return an empty list if stopped."""
    runs: list[tuple[str, StreamRun]] = []
    columns = (
        TextColumn("{task.description}"), BarColumn(10),
        # Truncated to the terminal's width, because a wrapped line cannot be overwritten.
        TextColumn("{task.fields[line]}", table_column=Column(no_wrap=True, ratio=1)),
        TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, expand=True) as progress:

        def stream(label: str, codec: str, options: Mapping[str, Any]) -> StreamRun | None:
            task = progress.add_task(label, total=frames, line="starting")
            run = run_stream(
                source, codec, options, frames, work / label.replace(" ", "-"),
                lambda count, line: _advance(progress, task, count, line),
                lambda: flag.requested,
            )  # fmt: skip
            progress.update(task, completed=frames, line="stopped" if run is None else "done")
            shutil.rmtree(work / label.replace(" ", "-"))
            return run

        for codec, options in _SHOWN:
            if codec not in CODECS_BY_NAME:
                continue
            shown = " ".join(f"{name} {value}" for name, value in options.items())
            run = stream(f"{codec} {shown}".strip(), codec, options)
            if run is None:
                return []
            runs.append((f"{codec} {shown}".strip(), run))
            quality = _equal_jpeg_quality(run)
            if quality is None:
                console.print(
                    f"no JPEG to compare with {codec}: JPEG supports only 8-bit grey and colour"
                )
                continue
            beside = stream(f"jpeg q{quality} for {codec}", "jpeg", {"quality": quality})
            if beside is None:
                return []
            runs.append((f"jpeg q{quality}", beside))
    return runs


def _advance(progress: Progress, task: TaskID, count: int, line: str) -> None:
    # The log line, without time and level.
    progress.update(task, completed=count, line=line.partition("INFO")[2].strip() or "starting")


def _mean_psnr_db(pairs: Sequence[tuple[Pixels, Pixels]]) -> float:
    values = [psnr_db(original, received) for original, received in pairs]
    return float(np.mean(values)) if values else math.nan


def _equal_jpeg_quality(run: StreamRun) -> int | None:
    """Return the JPEG quality of nearest PSNR on the kept originals; None if unsupported."""
    originals = [original for original, _ in run.pairs]
    target = _mean_psnr_db(run.pairs)
    if not originals or not math.isfinite(target):
        return None

    def reached(quality: int) -> float:
        encoder, decoder = Encoder("jpeg", quality=quality), Decoder()
        rebuilt = [decoder.decode(encoder.encode(original)) for original in originals]
        return _mean_psnr_db(list(zip(originals, rebuilt, strict=True)))

    low, high = 1, 100
    try:
        while high - low > 1:
            middle = (low + high) // 2
            if reached(middle) < target:
                low = middle
            else:
                high = middle
        return min((low, high), key=lambda quality: abs(reached(quality) - target))
    except UnsupportedImageError:
        return None


def _table(runs: Sequence[tuple[str, StreamRun]]) -> Table:
    """Return a table with one row per run, at most `TABLE_COLUMNS` wide."""
    # Without rules, so that eleven columns fit the narrowest terminal.
    table = Table(title="received", box=SIMPLE_HEAD, show_edge=False, padding=0, pad_edge=False)
    table.add_column("codec", no_wrap=True, overflow="ellipsis", max_width=14)
    for heading in ("sent", "rcvd", "lost", "fps", "kB per\nframe", "% of\nraw", "PSNR\ndB", "SSIM",
                    "latency\nms 50/99", "CPU ms\nsend/recv"):  # fmt: skip
        table.add_column(heading, justify="right", no_wrap=True)
    for name, run in runs:
        sent, received = run.sent, run.received
        frame_bytes = received["bytes_per_frame"]
        raw_bytes = run.pairs[0][0].nbytes if run.pairs else None
        latency = received["latency_ms"]
        similarity = [ssim(original, got) for original, got in run.pairs]
        table.add_row(
            name,
            str(sent["published"]),
            str(received["delivered"]),
            str(sum(_losses(run).values())),
            _number(received["fps"], 1),
            _number(frame_bytes and frame_bytes / 1e3, 1),
            _number(frame_bytes and raw_bytes and 100 * frame_bytes / raw_bytes, 1),
            _number(_mean_psnr_db(run.pairs), 2),
            _number(float(np.mean(similarity)) if similarity else None, 4),
            f"{_number(latency['p50'], 0)}/{_number(latency['p99'], 0)}",
            f"{_per_frame(sent['cpu_s'], sent['published'])}/"
            f"{_per_frame(received['cpu_s'], received['delivered'])}",
        )
    return table


def _losses(run: StreamRun) -> Counter[str]:
    """Return lost frames by cause, at both ends."""
    return Counter(run.sent["lost"]) + Counter(run.received["lost"])


def _number(value: float | None, digits: int, unit: str = "") -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}{unit}"


def _per_frame(cpu_s: float, frames: int) -> str:
    return _number(1e3 * cpu_s / frames, 0) if frames else "-"


def _sheet_row(name: str, run: StreamRun, wanted: int) -> SheetRow:
    # The same frame in every row, or the nearest one if a busy machine skipped it.
    number = min(run.kept, key=lambda kept: abs(kept - wanted))
    original, received = run.kept[number]
    size = run.received["bytes_per_frame"]
    return SheetRow(
        original,
        received,
        (
            f"frame {number}, original, {original.nbytes / 1e3:.0f} kB",
            f"{name}: {size / 1e3:.1f} kB/frame, {psnr_db(original, received):.2f} dB",
            f"error x {ERROR_GAIN}",
        ),
    )
