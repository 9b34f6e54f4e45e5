"""``rankcast compare IMAGE --codecs LIST``: several methods at matched bytes or PSNR."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from rankcast.atomic_file import make_folder, write_whole
from rankcast.commands.compare.comparison import Measurement, coded_json
from rankcast.commands.compare.gallery import Panel, draw_gallery, shown_png
from rankcast.commands.compare.matching import (
    DEFAULT_BITS_PER_PIXEL,
    DEFAULT_PSNR_DB,
    Contest,
    Match,
    hold,
    step_count,
)
from rankcast.commands.compare.methods import ENGINE, WITH_ENGINE, methods_for
from rankcast.commands.compare.methods_plot import draw_methods_plot
from rankcast.commands.compare.report_page import Figure, ReportPage, ReportTable, write_page
from rankcast.commands.info_model import ModelSaid, model_said
from rankcast.commands.terminal import console, psnr_text, ratio_text, size_text
from rankcast.errors import SettingsError, UnsupportedImageError
from rankcast.frame import Pixels, channels_of
from rankcast.printable import printable

TABLE_COLUMNS: Final = 80
WIDE_COLUMNS: Final = 96
TITLES: Final = (
    "codec", "at", "bytes", "bit/pixel", "ratio", "PSNR dB", "SSIM", "enc ms", "dec ms",
)  # fmt: skip
SHOWN_SIDE: Final = 1200
"""Pictures of the page are at most so large: the page of a 12-megapixel picture still opens."""


@dataclass(frozen=True, slots=True)
class MethodsRequest:
    """What the command line asks for."""

    names: list[str]
    match: Match
    target: float | None
    model: Path | None
    label: str | None
    """Of `gan`, as its model."""


def with_progress(total: int, work: Callable[[Callable[[], Any]], Contest]) -> Contest:
    """Show a bar on stderr while `work` runs; it is gone when the table comes."""
    columns = (
        TextColumn("comparing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    terminal = Console(stderr=True)
    with Progress(
        *columns, console=terminal, transient=True, disable=not terminal.is_terminal
    ) as progress:
        task = progress.add_task("", total=total)
        return work(lambda: progress.advance(task))


def compare_methods(
    name: str,
    stem: Path,
    pixels: Pixels,
    request: MethodsRequest,
    *,
    json_file: Path | None,
    html_file: Path | None,
    pictures: bool,
) -> None:
    """Measure, print the table, and write what was asked for.

    Parameters
    ----------
    name : str
        Of the picture, printable.
    stem : Path
        Folder and beginning of the names of the pictures.
    pixels : ndarray, shape (H, W) or (H, W, C), uint8 or uint16
    request : MethodsRequest
    json_file, html_file : Path, optional
    pictures : bool
        Whether to draw sheet and plot.
    """
    target = request.target
    if target is None:
        target = DEFAULT_BITS_PER_PIXEL if request.match == "bytes" else DEFAULT_PSNR_DB
    elif not 0 < target <= 1000:
        raise SettingsError(f"got --target {target:g}, want above 0 and at most 1000")
    gan = {"label": request.label or ""}
    if request.model is not None:
        gan["model"] = str(request.model)
    elif request.label is not None:
        raise SettingsError("got --label without --model: it names a camera of a model")
    methods, left_out = methods_for(request.names, pixels, gan)
    contest = with_progress(
        step_count(methods),
        lambda advance: hold(pixels, methods, request.match, target, left_out, advance),
    )
    if not contest.results:
        if len(contest.left_out) == 1:
            raise contest.left_out[0].error
        reasons = "; ".join(f"{each.name}: {each.reason}" for each in contest.left_out)
        raise UnsupportedImageError(f"no method can code the picture: {reasons}")
    model = None
    if request.model is not None and any(coded.codec == "gan" for coded in contest.results):
        model = model_said(request.model)
    about = _about(contest)
    remarks = _remarks(contest, model)
    _print_table(name, about, contest, remarks)
    if json_file is not None:
        document = json.dumps(methods_json(name, contest, model), indent=2, allow_nan=False)
        write_whole(json_file, document.encode() + b"\n")
        click.echo(f"table    {printable(json_file)}")
    plot = stem.with_name(f"{stem.name}-codecs-plot.png")
    if pictures:
        make_folder(stem.parent)
        sheet = stem.with_name(f"{stem.name}-codecs.png")
        draw_gallery(sheet, name, about, _panels(contest))
        click.echo(f"sheet    {printable(sheet)}")
        title = f"{name}, {size_text(pixels.shape, pixels.dtype)}"
        draw_methods_plot(plot, title, contest)
        click.echo(f"plot     {printable(plot)}")
    if html_file is not None:
        plots = [plot.read_bytes()] if pictures else []
        write_page(html_file, _page(name, about, contest, remarks, plots))
        click.echo(f"report   {printable(html_file)}")


def _about(contest: Contest) -> str:
    pixels = contest.pixels
    goal = (
        f"matched at {contest.target:g} bit/pixel"
        if contest.match == "bytes"
        else f"matched at {contest.target:g} dB"
    )
    words = [size_text(pixels.shape, pixels.dtype), f"raw {pixels.nbytes:,} bytes", goal]
    if _engine(contest) is not None:
        words.append(f"engine={_engine(contest)}")
    if pixels.dtype == "uint16":
        words.append("brightness stretched for show")
    if channels_of(pixels.shape) not in (1, 3):
        words.append("first channel shown")
    return "  ·  ".join(words)


def _engine(contest: Contest) -> str | None:
    """How `svd` and `pca` found their factors; None where neither is there."""
    return ENGINE if any(coded.codec in WITH_ENGINE for coded in contest.results) else None


def _remarks(contest: Contest, model: ModelSaid | None) -> list[str]:
    """What stands below the table: how it is to be read, and what is odd about it."""
    remarks = [f"note: {note}" for note in contest.notes]
    if model is not None:
        trained = f"; its training: {model.training}" if model.training else ""
        remarks.append(f"gan: plus a model of {model.size_bytes:,} bytes at both ends{trained}")
    times = "enc ms, dec ms: a first frame, the lesser of two runs"
    if _engine(contest) is not None:
        times += "; later frames of a stream, with engine=warm, take less"
    return [*remarks, *png_lines(contest), times]


def _cells(coded: Measurement, pixels: Pixels) -> list[str]:
    assert coded.ssim is not None
    return [
        coded.codec,
        coded.setting,
        f"{coded.coded_bytes:,}",
        f"{8 * coded.coded_bytes / (pixels.shape[0] * pixels.shape[1]):.3f}",
        f"{pixels.nbytes / coded.coded_bytes:.2f}",
        "exact" if math.isinf(coded.psnr_db) else f"{coded.psnr_db:.2f}",
        f"{coded.ssim:.4f}",
        f"{coded.encode_ms:.1f}",
        f"{coded.decode_ms:.1f}",
    ]


def _print_table(name: str, about: str, contest: Contest, remarks: list[str]) -> None:
    out = console(TABLE_COLUMNS)
    out.print(Text(f"{name}: {about}", style="bold"))
    # On a terminal of 80 columns one space has to do between the columns.
    sides = 1 if out.width >= WIDE_COLUMNS else 0
    table = Table(
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, sides), header_style="bold"
    )
    for number, title in enumerate(TITLES):
        # What a method was set to may be long, and can be read in two lines.
        table.add_column(title, justify="left" if number < 2 else "right", no_wrap=title != "at")
    for coded in contest.results:
        table.add_row(*_cells(coded, contest.pixels))
    out.print(table)
    for each in contest.left_out:
        out.print(Text(f"{each.name}  left out: {each.reason}"))
    for line in remarks:
        out.print(Text(line))


def png_lines(contest: Contest) -> list[str]:
    """PNG sizes before and after `kmeans`, at a few numbers of colours."""
    elbow = contest.elbow
    if elbow is None:
        return []
    used = next(coded.setting for coded in contest.results if coded.codec == "kmeans")
    before = elbow.original_png_bytes
    lines = []
    for k, after in zip(elbow.colours, elbow.png_bytes, strict=True):
        if k == 20 or f"k {k}" == used:
            lines.append(
                f"the article's measure, PNG (zlib level 9) before and after kmeans with k = {k}: "
                f"{before:,} -> {after:,} bytes, {before / after:.2f} : 1"
            )
    return lines


def _panels(contest: Contest) -> list[Panel]:
    pixels = contest.pixels
    panels = [Panel(pixels, "original", (f"{pixels.nbytes:,} bytes raw", "1 : 1"))]
    for coded in contest.results:
        assert coded.pixels is not None
        panels.append(Panel(coded.pixels, _heading(coded), _lines(coded, pixels)))
    return panels


def _heading(coded: Measurement) -> str:
    return f"{coded.codec}, {coded.setting}" if coded.setting else coded.codec


def _lines(coded: Measurement, pixels: Pixels) -> tuple[str, str]:
    return (
        f"{coded.coded_bytes:,} bytes  ·  {ratio_text(pixels.nbytes, coded.coded_bytes)}",
        f"PSNR {psnr_text(coded.psnr_db)}  ·  SSIM {coded.ssim:.4f}",
    )


def _page(
    name: str, about: str, contest: Contest, remarks: list[str], plots: list[bytes]
) -> ReportPage:
    pixels = contest.pixels
    figures = [
        Figure(shown_png(panel.pixels, pixels, SHOWN_SIDE), panel.heading, panel.lines)
        for panel in _panels(contest)
    ]
    return ReportPage(
        title=name,
        about=about,
        table=ReportTable(
            TITLES,
            [
                *(_cells(coded, pixels) for coded in contest.results),
                *([each.name, f"left out: {each.reason}"] for each in contest.left_out),
            ],
        ),
        notes=remarks,
        figures=figures,
        plots=plots,
    )


def methods_json(name: str, contest: Contest, model: ModelSaid | None) -> dict[str, Any]:
    """Everything in table and plot; an exact picture has ``lossless`` true, ``psnr_db`` null."""
    pixels, elbow = contest.pixels, contest.elbow
    return {
        "image": name,
        "shape": list(pixels.shape),
        "dtype": str(pixels.dtype),
        "raw_bytes": pixels.nbytes,
        "match": contest.match,
        "target": contest.target,
        "engine": _engine(contest),
        "notes": list(contest.notes),
        "gan_model": None
        if model is None
        else {"id": model.model_id, "bytes": model.size_bytes, "training": model.training},
        "results": [coded_json(coded, pixels) for coded in contest.results],
        "curves": [
            {"label": curve.label, "points": [coded_json(point, pixels) for point in curve.points]}
            for curve in contest.curves
        ],
        "left_out": [{"codec": each.name, "reason": each.reason} for each in contest.left_out],
        "scree": {
            scree.method: [[float(share) for share in shares] for shares in scree.shares]
            for scree in contest.screes
        },
        "elbow": None
        if elbow is None
        else {
            "k": list(elbow.colours),
            "within_cluster_squares": list(elbow.errors),
            "png_bytes": list(elbow.png_bytes),
            "original_png_bytes": elbow.original_png_bytes,
        },
    }
