"""``rankcast compare IMAGE``: what every rank costs and keeps, beside JPEG and WebP."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from rankcast.atomic_file import make_folder, write_whole
from rankcast.commands.codec_choice import CodecChoice, choose_codec, codec_options
from rankcast.commands.compare.codecs import SHOWN_SIDE, MethodsRequest, compare_methods
from rankcast.commands.compare.comparison import (
    ARTICLE_SHARE,
    Comparison,
    Measurement,
    RankGroup,
    coded_json,
    compare_ranks,
    step_count,
    usable_ranks,
)
from rankcast.commands.compare.gallery import Panel, draw_gallery, shown_png
from rankcast.commands.compare.matching import Match
from rankcast.commands.compare.methods import NAMES, parse_codecs
from rankcast.commands.compare.plot import draw_plot
from rankcast.commands.compare.report_page import Figure, ReportPage, ReportTable, write_page
from rankcast.commands.plotting import require_matplotlib
from rankcast.commands.terminal import console, psnr_text, ratio_text, size_text
from rankcast.errors import SettingsError
from rankcast.frame import Pixels, channels_of
from rankcast.images import read_image
from rankcast.printable import printable
from rankcast.wire import OFFLINE

RANKS: Final = "500,250,100,50,25,10"
"""The run of the greyscale article."""
MAX_RANKS: Final = 24
TABLE_COLUMNS: Final = 90
TITLES: Final = ("codec", "at", "bytes", "ratio", "PSNR dB", "SSIM", "energy %", "enc ms", "dec ms")
RANK_RULES: Final = ("rank", "energy", "psnr")


@click.command()
@click.argument("image", metavar="IMAGE", type=click.Path(path_type=Path))
@click.option("--ranks", default=RANKS, show_default=True, metavar="K,K,...",
              help="Singular values to keep of each channel.")  # fmt: skip
@click.option("--grey", is_flag=True, help="Load the picture as grey, as the first article does.")
@click.option("--out", "folder", default=Path(), type=click.Path(path_type=Path), metavar="DIR",
              help="Folder of the pictures, made if missing.  [default: this one]")  # fmt: skip
@click.option("--json", "json_file", type=click.Path(path_type=Path), metavar="FILE",
              help="Write the table as JSON too.")  # fmt: skip
@click.option("--html", "html_file", type=click.Path(path_type=Path), metavar="FILE",
              help="Write table, pictures and plot as one HTML file.")  # fmt: skip
@click.option("--pictures/--no-pictures", default=True, show_default=True,
              help="Draw the gallery and the plot; needs matplotlib.")  # fmt: skip
@click.option("--codecs", metavar="NAME,NAME,...",
              help=f"Compare methods instead of ranks: {', '.join(NAMES)}.")  # fmt: skip
@click.option("--match", type=click.Choice(["bytes", "psnr"]), default="bytes", show_default=True,
              help="With --codecs: what is made equal.")  # fmt: skip
@click.option("--target", type=float, metavar="X",
              help="With --codecs: bits a pixel, or dB.  [default: 1 or 32]")  # fmt: skip
@click.option("--model", type=click.Path(path_type=Path), metavar="FILE.rkm",
              help="With --codecs: the model of gan.")  # fmt: skip
@click.option("--label", metavar="NAME",
              help="With --codecs: which camera of that model, if it has several.")  # fmt: skip
@codec_options
@click.pass_context
def compare(
    context: click.Context,
    image: Path,
    ranks: str,
    grey: bool,
    folder: Path,
    json_file: Path | None,
    html_file: Path | None,
    pictures: bool,
    codecs: str | None,
    match: Match,
    target: float | None,
    model: Path | None,
    label: str | None,
    codec: str | None,
    sets: tuple[str, ...],
) -> None:
    """Compare what every rank makes of IMAGE with JPEG and WebP at about the same bytes.

    Prints a table and writes two PNG files: a gallery of all ranks, and a plot of the singular
    values, the energy they keep and quality against bytes. With --codecs the methods named there
    are compared instead, at equal bytes or PSNR.
    """
    _check_usage(context)
    if codecs is not None:
        names = parse_codecs(codecs)
        if "gan" not in names and (model is not None or label is not None):
            option = "--label" if model is None else "--model"
            raise SettingsError(f"got {option}, but gan is none of --codecs")
        if pictures:
            require_matplotlib()
        pixels = read_image(image, grey=grey)
        OFFLINE.check_shape(pixels.shape)
        compare_methods(
            printable(image.name),
            folder / (image.stem + ("-grey" if grey else "")),
            pixels,
            MethodsRequest(names, match, target, model, label),
            json_file=json_file,
            html_file=html_file,
            pictures=pictures,
        )
        return
    wanted = parse_ranks(ranks)
    choice = _ranked_codec(codec, sets)
    if pictures:
        require_matplotlib()
    pixels = read_image(image, grey=grey)
    OFFLINE.check_shape(pixels.shape)
    usable, notes = usable_ranks(wanted, min(pixels.shape[:2]))
    if pictures:
        make_folder(folder)
    comparison = _with_progress(pixels, choice, usable, notes)
    name = printable(image.name)
    _print_report(name, comparison)
    if json_file is not None:
        document = json.dumps(as_json(name, comparison), indent=2, allow_nan=False)
        write_whole(json_file, document.encode() + b"\n")
        click.echo(f"table    {printable(json_file)}")
    if pictures:
        stem = folder / (image.stem + ("-grey" if grey else ""))
        gallery, plot = (
            stem.with_name(f"{stem.name}-gallery.png"),
            stem.with_name(f"{stem.name}-plot.png"),
        )
        draw_gallery(gallery, name, _subtitle(comparison), _panels(comparison))
        click.echo(f"gallery  {printable(gallery)}")
        title = f"{name}, {size_text(pixels.shape, pixels.dtype)}"
        draw_plot(plot, title, comparison)
        click.echo(f"plot     {printable(plot)}")
    if html_file is not None:
        write_page(html_file, _page(name, comparison, [plot] if pictures else []))
        click.echo(f"report   {printable(html_file)}")


_ONLY_WITH_CODECS: Final = ("match", "target", "model", "label")
_ONLY_WITH_RANKS: Final = ("ranks", "codec", "sets")


def _check_usage(context: click.Context) -> None:
    """Refuse options of the other of the two comparisons: they would do nothing."""
    with_codecs = context.params["codecs"] is not None
    for name in _ONLY_WITH_RANKS if with_codecs else _ONLY_WITH_CODECS:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = {"sets": "--set"}.get(name, f"--{name}")
            raise SettingsError(
                f"got {option} {'together with' if with_codecs else 'without'} --codecs"
            )


def parse_ranks(text: str) -> list[int]:
    """Read ``500,250,100``.

    Raises
    ------
    SettingsError
        If one is no whole number from 1 on, or there are none or too many.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    # isascii: int() takes digits of other scripts; 9 digits are above every side.
    if any(not (part.isascii() and part.isdigit() and len(part) <= 9) for part in parts) or not all(
        map(int, parts)
    ):
        raise SettingsError(
            f"got --ranks {printable(text)!r:.60}, want whole numbers from 1 on, as in {RANKS}"
        )
    if not 1 <= len(parts) <= MAX_RANKS:
        raise SettingsError(f"got {len(parts)} ranks, want 1 to {MAX_RANKS}")
    return [int(part) for part in parts]


def _ranked_codec(name: str | None, sets: tuple[str, ...]) -> CodecChoice:
    choice = choose_codec(name, sets)
    if not choice.has_option("rank"):
        raise SettingsError(f"codec {choice.name} has no option 'rank': there is none to compare")
    for rule in RANK_RULES:
        if rule in choice.options:
            raise SettingsError(
                f"got --set codec.{rule}, but compare goes through ranks of its own: use --ranks"
            )
    return choice


def _with_progress(
    pixels: Pixels, choice: CodecChoice, ranks: list[int], notes: list[str]
) -> Comparison:
    columns = (
        TextColumn("comparing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    # On stderr, so that the table can be piped; it is gone when the table comes.
    terminal = Console(stderr=True)
    with Progress(
        *columns, console=terminal, transient=True, disable=not terminal.is_terminal
    ) as progress:
        task = progress.add_task("", total=step_count(ranks, pixels, choice))
        return compare_ranks(pixels, choice, ranks, notes, lambda: progress.advance(task))


def _subtitle(comparison: Comparison) -> str:
    pixels = comparison.pixels
    words = [size_text(pixels.shape, pixels.dtype), f"raw {pixels.nbytes:,} bytes"]
    options = ", ".join(f"{key}={value}" for key, value in comparison.codec.options.items())
    words.append(f"codec {comparison.codec.name}" + (f" ({options})" if options else ""))
    if pixels.dtype == "uint16":
        words.append("brightness stretched for show")
    if channels_of(pixels.shape) not in (1, 3):
        words.append("first channel shown")
    return "  ·  ".join(words)


def _panels(comparison: Comparison) -> list[Panel]:
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


def _page(name: str, comparison: Comparison, plots: list[Path]) -> ReportPage:
    pixels, rows = comparison.pixels, []
    for group in comparison.groups:
        rows += [_cells(coded, pixels.nbytes) for coded in (group.coded, *group.references)]
    return ReportPage(
        title=name,
        about=_subtitle(comparison),
        table=ReportTable(TITLES, rows),
        notes=[*comparison.notes, article_line(pixels, comparison.article)],
        figures=[
            Figure(shown_png(panel.pixels, pixels, SHOWN_SIDE), panel.heading, panel.lines)
            for panel in _panels(comparison)
        ],
        plots=[plot.read_bytes() for plot in plots],
    )


def _print_report(name: str, comparison: Comparison) -> None:
    raw_bytes = comparison.pixels.nbytes
    out = console(TABLE_COLUMNS)
    out.print(Text(f"{name}: {_subtitle(comparison)}", style="bold"))
    # On a terminal of 80 columns one space has to do between the columns.
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


def _cells(coded: Measurement, raw_bytes: int) -> list[str]:
    return [
        coded.codec,
        coded.setting,
        f"{coded.coded_bytes:,}",
        f"{raw_bytes / coded.coded_bytes:.2f}",
        "exact" if math.isinf(coded.psnr_db) else f"{coded.psnr_db:.2f}",
        f"{coded.ssim:.4f}",
        "" if coded.energy is None else f"{100 * coded.energy:.4f}",
        f"{coded.encode_ms:.1f}",
        f"{coded.decode_ms:.1f}",
    ]


def article_line(pixels: Pixels, group: RankGroup) -> str:
    """Put the colour article's count beside the true bytes."""
    count, coded = group.article, group.coded
    return (
        f"the colour article's count at k = {ARTICLE_SHARE:g} ({count.rank} singular values): "
        f"{count.original_bytes:,} -> {count.compressed_bytes:,} bytes of float64, "
        f"{count.ratio:.2f} : 1; true bytes: {pixels.nbytes:,} -> {coded.coded_bytes:,}, "
        f"{ratio_text(pixels.nbytes, coded.coded_bytes)}, PSNR {psnr_text(coded.psnr_db)}"
    )


def as_json(name: str, comparison: Comparison) -> dict[str, Any]:
    """Everything in the table; an exact picture has ``lossless`` true and ``psnr_db`` null."""
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
        "curves": [
            {"label": curve.label, "points": [coded_json(point, pixels) for point in curve.points]}
            for curve in comparison.curves
        ],
    }


def _group_json(group: RankGroup, pixels: Pixels) -> dict[str, Any]:
    return {
        **coded_json(group.coded, pixels),
        "article_original_bytes": group.article.original_bytes,
        "article_compressed_bytes": group.article.compressed_bytes,
        "matched_bytes": [coded_json(reference, pixels) for reference in group.references],
    }
