"""Output of the comparison of codecs: table, sheet, plot, JSON and HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from rankcast.commands.compare.candidate_choice import WITH_ENGINE, WITH_MODEL, candidates_for
from rankcast.commands.compare.codec_comparison import (
    CodecComparison,
    Match,
    compare_codecs,
    step_count,
)
from rankcast.commands.compare.codec_plot import draw_codec_plot
from rankcast.commands.compare.gallery import SHOWN_SIDE, Panel, draw_gallery, shown_png
from rankcast.commands.compare.html_page import Figure, HtmlPage, HtmlTable
from rankcast.commands.compare.measurement import Measurement, curve_json, measurement_json
from rankcast.commands.compare.report_target import ReportTarget
from rankcast.commands.model_report import ModelSummary, summarise_model
from rankcast.commands.terminal import (
    console,
    psnr_text,
    ratio_text,
    size_text,
    with_progress,
)
from rankcast.errors import UnsupportedImageError
from rankcast.frame import Pixels, channels_of

TABLE_COLUMNS: Final = 80
WIDE_COLUMNS: Final = 96
TITLES: Final = (
    "codec", "at", "bytes", "bit/pixel", "ratio", "PSNR dB", "SSIM", "enc ms", "dec ms",
)  # fmt: skip
ARTICLE_COLOURS: Final = 20
"""Colours of the palette in the article on k-means."""


@dataclass(frozen=True, slots=True)
class CodecRequest:
    """The comparison requested on the command line."""

    names: list[str]
    match: Match
    target: float
    """Bits per pixel, or dB."""
    model: Mapping[str, str]
    """Options `model` and `label` of the codecs that need a model; empty without one."""


def report_codecs(pixels: Pixels, request: CodecRequest, target: ReportTarget) -> None:
    """Compare, print the table and write the files that `target` requests.

    Parameters
    ----------
    pixels : ndarray, shape (H, W) or (H, W, C), uint8 or uint16
    request : CodecRequest
    target : ReportTarget

    Raises
    ------
    SettingsError
        If a model or label is wrong.
    UnsupportedImageError
        If no candidate can code the picture.
    """
    candidates, left_out = candidates_for(request.names, pixels, request.model)
    comparison = with_progress(
        "comparing",
        step_count(candidates),
        lambda advance: compare_codecs(
            pixels, candidates, request.match, request.target, left_out, advance
        ),
    )
    if not comparison.results:
        if len(comparison.left_out) == 1:
            raise comparison.left_out[0].error
        reasons = "; ".join(f"{each.name}: {each.reason}" for each in comparison.left_out)
        raise UnsupportedImageError(f"no codec can code the picture: {reasons}")
    model = None
    if any(measured.codec in WITH_MODEL for measured in comparison.results):
        model = summarise_model(Path(request.model["model"]))
    about, remarks = _about(comparison), _remarks(comparison, model)
    _print_table(target.name, about, comparison, remarks)
    target.write_json(codec_json(target.name, comparison, model))
    plots = []
    if target.pictures:
        sheet, plot = target.picture("codecs"), target.picture("codecs-plot")
        draw_gallery(sheet, target.name, about, _panels(comparison))
        target.announce("sheet", sheet)
        title = f"{target.name}, {size_text(pixels.shape, pixels.dtype)}"
        draw_codec_plot(plot, title, comparison)
        target.announce("plot", plot)
        plots.append(plot.read_bytes())
    target.write_html(_page(target.name, about, comparison, remarks, plots))


def _about(comparison: CodecComparison) -> str:
    pixels = comparison.pixels
    goal = (
        f"matched at {comparison.target:g} bit/pixel"
        if comparison.match == "bytes"
        else f"matched at {comparison.target:g} dB"
    )
    words = [size_text(pixels.shape, pixels.dtype), f"raw {pixels.nbytes:,} bytes", goal]
    if _engine(comparison) is not None:
        words.append(f"engine={_engine(comparison)}")
    if pixels.dtype == "uint16":
        words.append("brightness stretched for display")
    if channels_of(pixels.shape) not in (1, 3):
        words.append("first channel shown")
    return "  ·  ".join(words)


def _engine(comparison: CodecComparison) -> str | None:
    """Return how factors were computed, if there was a choice; None if no result has any."""
    engines = (WITH_ENGINE.get(measured.codec) for measured in comparison.results)
    return next((engine for engine in engines if engine is not None), None)


def _remarks(comparison: CodecComparison, model: ModelSummary | None) -> list[str]:
    """Return the lines below the table, which explain it and point out anomalies."""
    remarks = [f"note: {note}" for note in comparison.notes]
    if model is not None:
        trained = f"; its training: {model.training}" if model.training else ""
        names = ", ".join(WITH_MODEL)
        remarks.append(f"{names}: plus a model of {model.size_bytes:,} bytes at both ends{trained}")
    times = "enc ms, dec ms: a first frame, the shorter of two runs"
    if _engine(comparison) is not None:
        times += "; later frames of a stream take less, with engine=warm"
    return [*remarks, *png_lines(comparison), times]


def _cells(measured: Measurement, pixels: Pixels) -> list[str]:
    assert measured.ssim is not None
    return [
        measured.codec,
        measured.setting,
        f"{measured.coded_bytes:,}",
        f"{8 * measured.coded_bytes / (pixels.shape[0] * pixels.shape[1]):.3f}",
        f"{pixels.nbytes / measured.coded_bytes:.2f}",
        "exact" if measured.exact else f"{measured.psnr_db:.2f}",
        f"{measured.ssim:.4f}",
        f"{measured.encode_ms:.1f}",
        f"{measured.decode_ms:.1f}",
    ]


def _print_table(name: str, about: str, comparison: CodecComparison, remarks: list[str]) -> None:
    out = console(TABLE_COLUMNS)
    out.print(Text(f"{name}: {about}", style="bold"))
    # A terminal of 80 columns has room for one space between columns.
    sides = 1 if out.width >= WIDE_COLUMNS else 0
    table = Table(
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, sides), header_style="bold"
    )
    for number, title in enumerate(TITLES):
        # A long setting may wrap to two lines.
        table.add_column(title, justify="left" if number < 2 else "right", no_wrap=title != "at")
    for measured in comparison.results:
        table.add_row(*_cells(measured, comparison.pixels))
    out.print(table)
    for each in comparison.left_out:
        out.print(Text(f"{each.name}  left out: {each.reason}"))
    for line in remarks:
        out.print(Text(line))


def png_lines(comparison: CodecComparison) -> list[str]:
    """Return PNG sizes before and after a palette of the article's and of the result's size."""
    elbow = comparison.elbow
    if elbow is None:
        return []
    before = elbow.original_png_bytes
    lines = []
    for k, after in zip(elbow.colours, elbow.png_bytes, strict=True):
        if k in (ARTICLE_COLOURS, elbow.shown_colours):
            lines.append(
                f"the article's measure, PNG (zlib level 9) before and after {elbow.name} "
                f"with k = {k}: {before:,} -> {after:,} bytes, {before / after:.2f} : 1"
            )
    return lines


def _panels(comparison: CodecComparison) -> list[Panel]:
    pixels = comparison.pixels
    panels = [Panel(pixels, "original", (f"{pixels.nbytes:,} bytes raw", "1 : 1"))]
    for measured in comparison.results:
        assert measured.pixels is not None
        panels.append(Panel(measured.pixels, _heading(measured), _lines(measured, pixels)))
    return panels


def _heading(measured: Measurement) -> str:
    return f"{measured.codec}, {measured.setting}" if measured.setting else measured.codec


def _lines(measured: Measurement, pixels: Pixels) -> tuple[str, str]:
    return (
        f"{measured.coded_bytes:,} bytes  ·  {ratio_text(pixels.nbytes, measured.coded_bytes)}",
        f"PSNR {psnr_text(measured.psnr_db)}  ·  SSIM {measured.ssim:.4f}",
    )


def _page(
    name: str, about: str, comparison: CodecComparison, remarks: list[str], plots: list[bytes]
) -> HtmlPage:
    pixels = comparison.pixels
    figures = [
        Figure(shown_png(panel.pixels, pixels, SHOWN_SIDE), panel.heading, panel.lines)
        for panel in _panels(comparison)
    ]
    return HtmlPage(
        title=name,
        about=about,
        table=HtmlTable(
            TITLES,
            [
                *(_cells(measured, pixels) for measured in comparison.results),
                *([each.name, f"left out: {each.reason}"] for each in comparison.left_out),
            ],
        ),
        notes=remarks,
        figures=figures,
        plots=plots,
    )


def codec_json(
    name: str, comparison: CodecComparison, model: ModelSummary | None
) -> dict[str, Any]:
    """Return the data of table and plot; exact pictures have `lossless` true and `psnr_db` null."""
    pixels, elbow = comparison.pixels, comparison.elbow
    return {
        "image": name,
        "shape": list(pixels.shape),
        "dtype": str(pixels.dtype),
        "raw_bytes": pixels.nbytes,
        "match": comparison.match,
        "target": comparison.target,
        "engine": _engine(comparison),
        "notes": list(comparison.notes),
        "gan_model": None
        if model is None
        else {"id": model.model_id, "bytes": model.size_bytes, "training": model.training},
        "results": [measurement_json(measured, pixels) for measured in comparison.results],
        "curves": [curve_json(curve, pixels) for curve in comparison.curves],
        "left_out": [{"codec": each.name, "reason": each.reason} for each in comparison.left_out],
        "scree": {
            scree.name: [[float(share) for share in shares] for shares in scree.shares]
            for scree in comparison.screes
        },
        "elbow": None
        if elbow is None
        else {
            "k": list(elbow.colours),
            "within_cluster_squares": list(elbow.squared_errors),
            "png_bytes": list(elbow.png_bytes),
            "original_png_bytes": elbow.original_png_bytes,
        },
    }
