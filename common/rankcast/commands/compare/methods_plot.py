"""The plot of `compare --codecs`: quality against bytes, scree, elbow, and PNG sizes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rankcast.codec.pca.options import DEFAULT_VARIANCE
from rankcast.commands.compare.matching import Contest, Elbow, Scree
from rankcast.commands.compare.methods import PCA_PATCHES
from rankcast.commands.compare.plot import CEILING_DB, byte_axis, bytes_text, channel_looks
from rankcast.commands.plotting import DPI, MUTED, STYLE, label_decades, number_text, save
from rankcast.frame import Pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH: Final = 1500
TOP_HEIGHT: Final = 640
BOTTOM_HEIGHT: Final = 460
COLOURS: Final = {
    "svd": "#c2410c", "svd-patch": "#7c3aed", "pca": "#b08900", "pca-patches": "#84631a",
    "kmeans": "#d1495b", "gan": "#111827", "jpeg": "#3b6fb6", "webp": "#3f9b8c",
    "lossless": "#5f6368",
}  # fmt: skip
MARKERS: Final = {
    "svd": "o", "svd-patch": "D", "pca": "s", "pca-patches": "v", "kmeans": "^", "gan": "*",
    "jpeg": ".", "webp": ".", "lossless": "X",
}  # fmt: skip
SCREE_COMPONENTS: Final = 100
LEGEND_COLUMNS: Final = 7


def draw_methods_plot(path: Path, title: str, contest: Contest) -> None:
    """Draw the curves, and below them what belongs to `pca` and `kmeans`; write as PNG.

    Raises
    ------
    RankcastError
        If the disk does not take it.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    below = [scree.method for scree in contest.screes] + ["elbow", "png"] * bool(contest.elbow)
    # Four in a row would be too narrow for their labels.
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
        _draw_quality(axes["quality"], contest)
        for scree in contest.screes:
            _draw_scree(axes[scree.method], scree)
        if contest.elbow is not None:
            _draw_elbow(axes["elbow"], contest.elbow, contest.pixels)
            _draw_png(axes["png"], contest.elbow)
        save(figure, path)


def _draw_quality(axes: Axes, contest: Contest) -> None:
    pixels = contest.pixels
    ceiling_db = CEILING_DB[pixels.dtype.itemsize]
    for curve in contest.curves:
        name = curve.points[0].codec
        marker = MARKERS[name]
        x = [point.coded_bytes for point in curve.points]
        y = [min(point.psnr_db, ceiling_db) for point in curve.points]
        axes.plot(x, y, label=curve.label, color=COLOURS[name], marker=marker,
                  linestyle="-" if curve.label == name else "--",
                  linewidth=1.4 if marker == "." else 2.0, markersize=6)  # fmt: skip
    for result in contest.results:
        # A ring round what table and sheet show.
        axes.plot([result.coded_bytes], [min(result.psnr_db, ceiling_db)], marker="o",
                  markersize=14, markerfacecolor="none", markeredgecolor=COLOURS[result.codec],
                  markeredgewidth=1.6)  # fmt: skip
    if contest.match == "bytes":
        area = pixels.shape[0] * pixels.shape[1]
        axes.axvline(contest.target * area / 8, color=MUTED, linewidth=1,
                     label=f"target {contest.target:g} bit/pixel")  # fmt: skip
    else:
        axes.axhline(
            contest.target, color=MUTED, linewidth=1, label=f"target {contest.target:g} dB"
        )
    axes.axvline(pixels.nbytes, color=MUTED, linewidth=1, linestyle="--", label="raw samples")
    if any(point.psnr_db >= ceiling_db for curve in contest.curves for point in curve.points):
        axes.axhline(ceiling_db, color=MUTED, linewidth=0.8, linestyle=":",
                     label=f"{ceiling_db:g} dB, more, or exact")  # fmt: skip
    axes.margins(x=0.04, y=0.1)
    byte_axis(axes)
    axes.set_xlabel("bytes of packet or file; rings: what the table shows")
    axes.set_ylabel("PSNR in dB, all samples")
    # Above the axes with every word of it: inside, each place may be a curve's.
    legend = axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=LEGEND_COLUMNS,
                         borderaxespad=0.2, columnspacing=1.2, handlelength=1.9)  # fmt: skip
    rows = math.ceil(len(legend.get_texts()) / LEGEND_COLUMNS)
    axes.set_title("Quality against bytes", pad=14 + 18 * rows)


def _draw_scree(axes: Axes, scree: Scree) -> None:
    kind = "patches" if PCA_PATCHES[scree.method] else "rows"
    from matplotlib.ticker import MaxNLocator

    axes.set_title(f"Scree of {kind}")
    count = max(1, min(SCREE_COMPONENTS, max(len(shares) for shares in scree.shares)))
    looks = channel_looks(len(scree.shares))
    wanted = []
    for shares, (name, colour) in zip(scree.shares, looks, strict=True):
        if not shares.size:
            continue
        kept = int(np.searchsorted(np.cumsum(shares), DEFAULT_VARIANCE * (1 - 1e-12))) + 1
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
    axes.set_xlabel(f"component; {100 * DEFAULT_VARIANCE:g} % takes {', '.join(wanted)}")
    axes.set_ylabel("share of the variance")
    if len(wanted) > 1:
        axes.legend(loc="upper right")


def _draw_elbow(axes: Axes, elbow: Elbow, pixels: Pixels) -> None:
    axes.set_title("Elbow: what k colours leave")
    area = pixels.shape[0] * pixels.shape[1]
    # Logarithmic: the first few colours take most of the error, and all above would lie on 0.
    left = [
        (k, error / area) for k, error in zip(elbow.colours, elbow.errors, strict=True) if error
    ]
    exact = [k for k, error in zip(elbow.colours, elbow.errors, strict=True) if not error]
    if not left:
        axes.set_axis_off()
        axes.text(0, 0.9, f"Nothing is left at k = {exact[0]}.", transform=axes.transAxes,
                  color=MUTED)  # fmt: skip
        return
    axes.plot(*zip(*left, strict=True), color=COLOURS["kmeans"], linewidth=2, marker="^")
    axes.set_yscale("log")
    label_decades(axes.yaxis, axes.get_ylim(), number_text, most=2.5)
    _colour_axis(axes, elbow)
    if exact:
        axes.set_xlabel(f"{axes.get_xlabel()}; nothing is left at {exact[0]:,}")
    axes.set_ylabel("within-cluster sum of squares / pixels")


def _draw_png(axes: Axes, elbow: Elbow) -> None:
    axes.set_title("The article's measure: PNG sizes")
    axes.plot(elbow.colours, elbow.png_bytes, color=COLOURS["kmeans"], linewidth=2, marker="^",
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
    step = 1 if high <= 64 * low else 2 if high <= 2048 * low else 4  # as many as have room
    ticks = [2**power for power in range(0, 17, step) if low <= 2**power <= high]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("k, colours of the palette")
