"""Plot of the comparison of codecs: quality against bytes, scree, elbow, and PNG sizes."""

from __future__ import annotations

import math
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rankcast.commands.compare.candidate_choice import CODEC_NAMES, FORMAT_NAMES
from rankcast.commands.compare.codec_comparison import CodecComparison, Elbow, Scree
from rankcast.commands.compare.rank_plot import CEILING_DB, byte_axis, bytes_text, channel_looks
from rankcast.commands.plotting import DPI, MUTED, STYLE, label_decades, number_text, save
from rankcast.frame import Pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH: Final = 1500
TOP_HEIGHT: Final = 640
BOTTOM_HEIGHT: Final = 460
_CODEC_LOOKS: Final = (
    ("#c2410c", "o"), ("#7c3aed", "D"), ("#5f6368", "X"), ("#b08900", "s"), ("#84631a", "v"),
    ("#d1495b", "^"), ("#111827", "*"), ("#0f766e", "P"), ("#9d174d", "h"),
)  # fmt: skip
_REFERENCE_LOOKS: Final = (("#3b6fb6", "."), ("#3f9b8c", "."))
LOOKS: Final = dict(zip(CODEC_NAMES, cycle(_CODEC_LOOKS))) | dict(
    zip(FORMAT_NAMES, cycle(_REFERENCE_LOOKS))
)
"""Colour and marker by name; further names reuse the lists from the start."""
PALETTE_COLOUR: Final = "#d1495b"
"""Colour of the elbow."""
SCREE_COMPONENTS: Final = 100
LEGEND_COLUMNS: Final = 7


def draw_codec_plot(path: Path, title: str, comparison: CodecComparison) -> None:
    """Draw the curves, with scree and elbow below if available, and write them as PNG.

    Raises
    ------
    RankcastError
        If the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    below = [scree.name for scree in comparison.screes] + ["elbow", "png"] * bool(comparison.elbow)
    # Four in a row would leave too little room for their labels.
    columns = 2 if len(below) == 4 else max(1, len(below))
    lower = [below[first : first + columns] for first in range(0, len(below), columns)]
    height = TOP_HEIGHT + BOTTOM_HEIGHT * len(lower)
    layout = ConstrainedLayoutEngine(w_pad=0.2, h_pad=0.15, wspace=0.03)
    rows: Any = [["quality"] * columns, *lower]
    ratios = (TOP_HEIGHT, *[BOTTOM_HEIGHT] * len(lower))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, layout=layout)
        figure.suptitle(title, fontsize=16, fontweight="bold", x=0.012, ha="left")
        axes = figure.subplot_mosaic(rows, height_ratios=ratios)
        _draw_quality(axes["quality"], comparison)
        for scree in comparison.screes:
            _draw_scree(axes[scree.name], scree)
        if comparison.elbow is not None:
            _draw_elbow(axes["elbow"], comparison.elbow, comparison.pixels)
            _draw_png(axes["png"], comparison.elbow)
        save(figure, path)


def _draw_quality(axes: Axes, comparison: CodecComparison) -> None:
    pixels = comparison.pixels
    ceiling_db = CEILING_DB[pixels.dtype.itemsize]
    for curve in comparison.curves:
        name = curve.points[0].codec
        colour, marker = LOOKS[name]
        x = [point.coded_bytes for point in curve.points]
        y = [min(point.psnr_db, ceiling_db) for point in curve.points]
        axes.plot(x, y, label=curve.label, color=colour, marker=marker,
                  linestyle="-" if curve.label == name else "--",
                  linewidth=1.4 if marker == "." else 2.0, markersize=6)  # fmt: skip
    for result in comparison.results:
        # A ring around the result shown in table and sheet.
        colour, _ = LOOKS[result.codec]
        axes.plot([result.coded_bytes], [min(result.psnr_db, ceiling_db)], marker="o",
                  markersize=14, markerfacecolor="none", markeredgecolor=colour,
                  markeredgewidth=1.6)  # fmt: skip
    if comparison.match == "bytes":
        area = pixels.shape[0] * pixels.shape[1]
        axes.axvline(comparison.target * area / 8, color=MUTED, linewidth=1,
                     label=f"target {comparison.target:g} bit/pixel")  # fmt: skip
    else:
        axes.axhline(
            comparison.target, color=MUTED, linewidth=1, label=f"target {comparison.target:g} dB"
        )
    axes.axvline(pixels.nbytes, color=MUTED, linewidth=1, linestyle="--", label="raw samples")
    if any(point.psnr_db >= ceiling_db for curve in comparison.curves for point in curve.points):
        axes.axhline(ceiling_db, color=MUTED, linewidth=0.8, linestyle=":",
                     label=f"{ceiling_db:g} dB, more, or exact")  # fmt: skip
    axes.margins(x=0.04, y=0.1)
    byte_axis(axes)
    axes.set_xlabel("bytes of packet or file; rings: what the table shows")
    axes.set_ylabel("PSNR in dB, all samples")
    # Above the axes, because inside it could hide a curve.
    legend = axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=LEGEND_COLUMNS,
                         borderaxespad=0.2, columnspacing=1.2, handlelength=1.9)  # fmt: skip
    rows = math.ceil(len(legend.get_texts()) / LEGEND_COLUMNS)
    axes.set_title("Quality against bytes", pad=14 + 18 * rows)


def _draw_scree(axes: Axes, scree: Scree) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(f"Scree of {scree.observations}")
    count = max(1, min(SCREE_COMPONENTS, max(len(shares) for shares in scree.shares)))
    looks = channel_looks(len(scree.shares))
    wanted = []
    for shares, (name, colour) in zip(scree.shares, looks, strict=True):
        if not shares.size:
            continue
        kept = int(np.searchsorted(np.cumsum(shares), scree.kept_share * (1 - 1e-12))) + 1
        wanted.append(f"{name} {min(kept, shares.size)}")
        shown = shares[:count]
        axes.plot(np.arange(1, len(shown) + 1), 100 * shown, label=name, color=colour,
                  linewidth=1.6, marker="o" if len(shown) < 20 else None, markersize=4)  # fmt: skip
    if not wanted:
        axes.set_axis_off()
        axes.text(0, 0.9, "Nothing varies.", transform=axes.transAxes, color=MUTED)
        return
    axes.set_yscale("log")
    axes.set_ylim(top=max(150 * float(shares[0]) for shares in scree.shares if shares.size))
    axes.set_xlim(0.5 if count < 20 else 0, count + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    label_decades(
        axes.yaxis, axes.get_ylim(),
        lambda value, _: f"{number_text(value)} %" if value <= 100 else "", most=1.5,
    )  # fmt: skip
    axes.set_xlabel(f"component; {100 * scree.kept_share:g} % takes {', '.join(wanted)}")
    axes.set_ylabel("share of the variance")
    if len(wanted) > 1:
        axes.legend(loc="upper right")


def _draw_elbow(axes: Axes, elbow: Elbow, pixels: Pixels) -> None:
    axes.set_title("Elbow: what k colours leave")
    area = pixels.shape[0] * pixels.shape[1]
    # Logarithmic, because the first few colours remove most of the error.
    pairs = list(zip(elbow.colours, elbow.squared_errors, strict=True))
    left = [(k, error / area) for k, error in pairs if error]
    exact = [k for k, error in pairs if not error]
    if not left:
        axes.set_axis_off()
        axes.text(0, 0.9, f"Nothing is left at k = {exact[0]}.", transform=axes.transAxes,
                  color=MUTED)  # fmt: skip
        return
    axes.plot(*zip(*left, strict=True), color=PALETTE_COLOUR, linewidth=2, marker="^")
    axes.set_yscale("log")
    label_decades(axes.yaxis, axes.get_ylim(), number_text, most=2.5)
    _colour_axis(axes, elbow)
    if exact:
        axes.set_xlabel(f"{axes.get_xlabel()}; nothing is left at {exact[0]:,}")
    axes.set_ylabel("within-cluster sum of squares / pixels")


def _draw_png(axes: Axes, elbow: Elbow) -> None:
    axes.set_title("The article's measure: PNG sizes")
    axes.plot(elbow.colours, elbow.png_bytes, color=PALETTE_COLOUR, linewidth=2, marker="^",
              label="after kmeans")  # fmt: skip
    axes.axhline(elbow.original_png_bytes, color=MUTED, linestyle="--", label="before")
    _colour_axis(axes, elbow)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(bytes_text)
    axes.legend(loc="lower right")


def _colour_axis(axes: Axes, elbow: Elbow) -> None:
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log", base=2)
    low, high = elbow.colours[0], elbow.colours[-1]
    step = 1 if high <= 64 * low else 2 if high <= 2048 * low else 4  # as many as fit
    ticks = [2**power for power in range(0, 17, step) if low <= 2**power <= high]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("k, colours of the palette")
