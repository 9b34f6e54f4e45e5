"""Output of the comparison by rank: table, gallery, plot, JSON and HTML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from rankcast.commands.codec_choice import CodecChoice
from rankcast.commands.compare.gallery import SHOWN_SIDE, Panel, draw_gallery, shown_png
from rankcast.commands.compare.html_page import Figure, HtmlPage, HtmlTable
from rankcast.commands.compare.measurement import Measurement, curve_json, measurement_json
from rankcast.commands.compare.rank_comparison import (
    ARTICLE_SHARE,
    RankComparison,
    RankGroup,
    compare_ranks,
    step_count,
    usable_ranks,
)
from rankcast.commands.compare.rank_plot import draw_rank_plot
from rankcast.commands.compare.report_target import ReportTarget
from rankcast.commands.terminal import (
    console,
    psnr_text,
    ratio_text,
    size_text,
    with_progress,
)
from rankcast.frame import Pixels, channels_of

TABLE_COLUMNS: Final = 90
TITLES: Final = ("codec", "at", "bytes", "ratio", "PSNR dB", "SSIM", "energy %", "enc ms", "dec ms")


def report_ranks(
    pixels: Pixels, choice: CodecChoice, ranks: list[int], target: ReportTarget
) -> None:
    """Compare, print the table and write the files that `target` requests.

    Parameters
    ----------
    pixels : ndarray, shape (H, W) or (H, W, C), uint8 or uint16
    choice : CodecChoice
        A codec with the option `rank`.
    ranks : list of int
        Ranks as requested; those above full rank are replaced.
    target : ReportTarget
    """
    usable, notes = usable_ranks(ranks, min(pixels.shape[:2]))
    comparison = with_progress(
        "comparing",
        step_count(usable, pixels, choice),
        lambda advance: compare_ranks(pixels, choice, usable, notes, advance),
    )
    _print_table(target.name, comparison)
    target.write_json(rank_json(target.name, comparison))
    plots = []
    if target.pictures:
        gallery, plot = target.picture("gallery"), target.picture("plot")
        draw_gallery(gallery, target.name, _subtitle(comparison), _panels(comparison))
        target.announce("gallery", gallery)
        title = f"{target.name}, {size_text(pixels.shape, pixels.dtype)}"
        draw_rank_plot(plot, title, comparison)
        target.announce("plot", plot)
        plots.append(plot)
    target.write_html(_page(target.name, comparison, plots))


def _subtitle(comparison: RankComparison) -> str:
    pixels = comparison.pixels
    words = [size_text(pixels.shape, pixels.dtype), f"raw {pixels.nbytes:,} bytes"]
    options = ", ".join(f"{key}={value}" for key, value in comparison.codec.options.items())
    words.append(f"codec {comparison.codec.name}" + (f" ({options})" if options else ""))
    if pixels.dtype == "uint16":
        words.append("brightness stretched for display")
    if channels_of(pixels.shape) not in (1, 3):
        words.append("first channel shown")
    return "  ·  ".join(words)


def _panels(comparison: RankComparison) -> list[Panel]:
    pixels = comparison.pixels
    panels = [Panel(pixels, "original", (f"{pixels.nbytes:,} bytes raw", "1 : 1"))]
    for group in comparison.groups:
        coded = group.coded
        assert coded.pixels is not None
        ratio = ratio_text(pixels.nbytes, coded.coded_bytes)
        panels.append(
            Panel(
                coded.pixels,
                coded.setting,
                (
                    f"{coded.coded_bytes:,} bytes  ·  {ratio}",
                    f"PSNR {psnr_text(coded.psnr_db)}  ·  SSIM {coded.ssim:.4f}",
                ),
            )
        )
    return panels


def _page(name: str, comparison: RankComparison, plots: list[Path]) -> HtmlPage:
    pixels, rows = comparison.pixels, []
    for group in comparison.groups:
        rows += [_cells(each, pixels.nbytes) for each in (group.coded, *group.references)]
    return HtmlPage(
        title=name,
        about=_subtitle(comparison),
        table=HtmlTable(TITLES, rows),
        notes=[*comparison.notes, article_line(pixels, comparison.article)],
        figures=[
            Figure(shown_png(panel.pixels, pixels, SHOWN_SIDE), panel.heading, panel.lines)
            for panel in _panels(comparison)
        ],
        plots=[plot.read_bytes() for plot in plots],
    )


def _print_table(name: str, comparison: RankComparison) -> None:
    raw_bytes = comparison.pixels.nbytes
    out = console(TABLE_COLUMNS)
    out.print(Text(f"{name}: {_subtitle(comparison)}", style="bold"))
    # A terminal of 80 columns has room for one space between columns.
    sides = 1 if out.width > TABLE_COLUMNS else 0
    table = Table(
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, sides), header_style="bold"
    )
    for number, title in enumerate((*TITLES, "float64")):
        table.add_column(title, justify="left" if number < 2 else "right", no_wrap=True)
    for group in comparison.groups:
        table.add_row(*_cells(group.coded, raw_bytes), f"{group.article.compressed_bytes:,}")
        for reference in group.references:
            table.add_row(*_cells(reference, raw_bytes), "", style="dim")
        table.add_section()
    out.print(table)
    out.print(Text("float64: bytes of U, s and Vt as the colour article counts them"))
    for note in comparison.notes:
        out.print(Text(f"note: {note}"))
    out.print(Text(article_line(comparison.pixels, comparison.article)))


def _cells(measured: Measurement, raw_bytes: int) -> list[str]:
    return [
        measured.codec,
        measured.setting,
        f"{measured.coded_bytes:,}",
        f"{raw_bytes / measured.coded_bytes:.2f}",
        "exact" if measured.exact else f"{measured.psnr_db:.2f}",
        f"{measured.ssim:.4f}",
        "" if measured.energy is None else f"{100 * measured.energy:.4f}",
        f"{measured.encode_ms:.1f}",
        f"{measured.decode_ms:.1f}",
    ]


def article_line(pixels: Pixels, group: RankGroup) -> str:
    """Return a line that compares the colour article's byte count with the true one."""
    count, coded = group.article, group.coded
    return (
        f"the colour article's count at k = {ARTICLE_SHARE:g} ({count.rank} singular values): "
        f"{count.original_bytes:,} -> {count.compressed_bytes:,} bytes of float64, "
        f"{count.ratio:.2f} : 1; true bytes: {pixels.nbytes:,} -> {coded.coded_bytes:,}, "
        f"{ratio_text(pixels.nbytes, coded.coded_bytes)}, PSNR {psnr_text(coded.psnr_db)}"
    )


def rank_json(name: str, comparison: RankComparison) -> Mapping[str, Any]:
    """Return the data of the table; exact pictures have `lossless` true and `psnr_db` null."""
    pixels = comparison.pixels
    return {
        "image": name,
        "shape": list(pixels.shape),
        "dtype": str(pixels.dtype),
        "raw_bytes": pixels.nbytes,
        "codec": comparison.codec.name,
        "options": dict(comparison.codec.options),
        "notes": list(comparison.notes),
        "ranks": [_group_json(group, pixels) for group in comparison.groups],
        "article": _group_json(comparison.article, pixels),
        "curves": [curve_json(curve, pixels) for curve in comparison.curves],
    }


def _group_json(group: RankGroup, pixels: Pixels) -> dict[str, Any]:
    return {
        **measurement_json(group.coded, pixels),
        "article_original_bytes": group.article.original_bytes,
        "article_compressed_bytes": group.article.compressed_bytes,
        "matched_bytes": [measurement_json(each, pixels) for each in group.references],
    }
