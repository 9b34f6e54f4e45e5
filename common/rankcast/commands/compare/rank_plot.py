"""Plot of the comparison by rank: singular values, energy, and quality against bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from rankcast.commands.compare.measurement import Curve
from rankcast.commands.compare.rank_comparison import RankComparison
from rankcast.commands.compare.reference_format import FORMATS
from rankcast.commands.plotting import DPI, MUTED, STYLE, label_decades, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH: Final = 1400
HEIGHT: Final = 1120
CHANNEL_COLOURS: Final = {1: ("#1a1a1a",), 3: ("#2f6fd0", "#2a9d5c", "#d1495b")}
CHANNEL_NAMES: Final = {1: ("grey",), 3: ("blue", "green", "red")}
CODEC_COLOURS: Final = ("#c2410c", "#f0a868")
"""Colours of the codec's curves; those of the references are cooler and thinner."""
REFERENCE_COLOURS: Final = {"JPEG": "#3b6fb6", "WebP": "#3f9b8c"}
CEILING_DB: Final = {1: 60.0, 2: 110.0}
"""Top of the PSNR axis by bytes per sample: a quarter of a grey level is 60 dB at 8 bits."""
LEAST_LEFT_OUT: Final = 1e-6
"""Smaller shares of lost energy count as zero, because rounding to 8 bits loses as much."""


def draw_rank_plot(path: Path, title: str, comparison: RankComparison) -> None:
    """Draw spectrum, energy and quality side by side and write them as PNG.

    Raises
    ------
    RankcastError
        If the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.2, h_pad=0.15, wspace=0.03)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, layout=layout)
        figure.suptitle(title, fontsize=16, fontweight="bold", x=0.012, ha="left")
        axes = figure.subplot_mosaic(
            [["quality", "quality"], ["spectrum", "energy"]], height_ratios=(1.25, 1)
        )
        _draw_quality(axes["quality"], comparison)
        spectra = _spectra(comparison.spectra)
        if spectra:
            _draw_spectrum(axes["spectrum"], spectra)
            _draw_energy(axes["energy"], spectra)
        else:
            for name in ("spectrum", "energy"):
                axes[name].set_axis_off()
            black = "The picture is black: no singular value is above 0."
            axes["spectrum"].text(0, 0.9, black, color=MUTED)
        save(figure, path)


@dataclass(frozen=True, slots=True)
class _Spectrum:
    """Singular values of one channel above rounding error, and how they are drawn."""

    values: NDArray[np.float64]
    label: str
    colour: str | None
    """Colour; None leaves the choice to matplotlib."""


def _spectra(spectra: Sequence[NDArray[np.float64]]) -> list[_Spectrum]:
    """Name the channels; omit black ones, which a logarithmic axis cannot show."""
    drawn = []
    for values, (name, colour) in zip(spectra, channel_looks(len(spectra)), strict=True):
        # The rule of numpy.linalg.matrix_rank: smaller values are rounding error.
        floor = values[0] * len(values) * np.finfo(np.float64).eps
        above = values[values > floor]
        if len(above):
            drawn.append(_Spectrum(above, name, colour))
    return drawn


def channel_looks(count: int) -> list[tuple[str, str | None]]:
    """Return name and colour of each channel; None leaves the colour to matplotlib."""
    names = CHANNEL_NAMES.get(count) or [f"channel {number}" for number in range(count)]
    colours = CHANNEL_COLOURS.get(count) or [None] * count
    return list(zip(names, colours, strict=True))


def _draw_spectrum(axes: Axes, spectra: Sequence[_Spectrum]) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_title("Singular values of each channel" if len(spectra) > 1 else "Singular values")
    for one in spectra:
        count = len(one.values)
        axes.plot(np.arange(1, count + 1), one.values, label=one.label, color=one.colour,
                  linewidth=1.6, marker="o" if count < 12 else None, markersize=4)  # fmt: skip
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("number of the singular value")
    axes.set_ylabel("singular value")
    _whole_numbers(axes, max(len(one.values) for one in spectra))
    if len(spectra) > 1:
        axes.legend(loc="upper right", ncols=1 + len(spectra) // 12)


def _draw_energy(axes: Axes, spectra: Sequence[_Spectrum]) -> None:
    """Draw the kept share on an axis of nines, as the first singular value often keeps 90 %."""
    axes.set_title("Energy kept")
    left_out = []
    for one in spectra:
        squares = one.values**2
        # Summed from the smallest value, because 1 - kept would cancel.
        left_out.append(np.append(np.cumsum(squares[::-1])[::-1][1:], 0.0) / squares.sum())
    parts = [share for shares in left_out for share in shares if share >= LEAST_LEFT_OUT]
    # A log axis has no zero: 100 % is drawn one decade above the last share shown.
    whole = 10.0 ** (math.floor(math.log10(min(parts, default=0.1))) - 1)
    for shares, one in zip(left_out, spectra, strict=True):
        axes.plot(np.arange(1, len(shares) + 1), np.where(shares < LEAST_LEFT_OUT, whole, shares),
                  color=one.colour, linewidth=1.6,
                  marker="o" if len(shares) < 12 else None, markersize=4)  # fmt: skip
    axes.set_yscale("log")
    nines = range(round(-math.log10(whole)))
    axes.set_yticks([*(10.0**-count for count in nines), whole], [*map(_percent, nines), "100 %"])
    axes.minorticks_off()
    axes.set_ylim(1.2, whole / 1.5)
    axes.set_xlabel("singular values kept")
    axes.set_ylabel("share of the sum of squares")
    _whole_numbers(axes, max(len(one.values) for one in spectra))


def _percent(nines: int) -> str:
    """Return ``0 %``, ``90 %``, ``99 %``, ``99.9 %`` and so on."""
    return f"{100 * (1 - 10.0**-nines):.{max(0, nines - 2)}f} %"


def _draw_quality(axes: Axes, comparison: RankComparison) -> None:
    pixels, curves = comparison.pixels, comparison.curves
    axes.set_title("Quality against bytes")
    reference_names = {kind.label for kind in FORMATS}
    # Errors beyond this are invisible, and an exact picture has no finite PSNR.
    ceiling_db = CEILING_DB[pixels.dtype.itemsize]
    colours = iter(CODEC_COLOURS)
    for number, curve in enumerate(curves):
        is_reference = curve.label in reference_names
        colour = REFERENCE_COLOURS[curve.label] if is_reference else next(colours)
        x = [point.coded_bytes for point in curve.points]
        y = [min(point.psnr_db, ceiling_db) for point in curve.points]
        axes.plot(x, y, label=curve.label, color=colour, linewidth=1.4 if is_reference else 2.2,
                  marker="." if is_reference else "o", markersize=5 if is_reference else 6,
                  zorder=2 if is_reference else 3)  # fmt: skip
        if number == 0:
            _name_ranks(axes, curve, ceiling_db, colour)
    if any(point.psnr_db >= ceiling_db for curve in curves for point in curve.points):
        axes.axhline(ceiling_db, color=MUTED, linewidth=0.8, linestyle=":")
        axes.annotate(f"{ceiling_db:g} dB, more, or exact", (0.005, ceiling_db),
                      xycoords=("axes fraction", "data"), xytext=(0, 5),
                      textcoords="offset points", ha="left", color=MUTED)  # fmt: skip
    axes.axvline(pixels.nbytes, color=MUTED, linewidth=1, linestyle="--")
    axes.annotate("raw samples", (pixels.nbytes, 0), xycoords=("data", "axes fraction"),
                  xytext=(6, 8), textcoords="offset points", rotation=90, ha="left",
                  va="bottom", color=MUTED)  # fmt: skip
    axes.margins(x=0.04, y=0.1)
    byte_axis(axes)
    axes.set_xlabel("bytes of packet or file; the numbers on the curve are ranks")
    axes.set_ylabel("PSNR in dB, all samples")
    # Next to the title, where it cannot hide a point.
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(curves), borderaxespad=0.2)


def _name_ranks(axes: Axes, curve: Curve, ceiling_db: float, colour: str) -> None:
    last_x = 0.0
    for point in curve.points:
        # On a logarithmic axis of a few decades a label is about a twentieth of a decade wide.
        if point.rank is None or point.coded_bytes < last_x * 1.12:
            continue
        last_x = point.coded_bytes
        axes.annotate(f"{point.rank}", (point.coded_bytes, min(point.psnr_db, ceiling_db)),
                      xytext=(7, -14), textcoords="offset points", color=colour,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
                      zorder=4)  # fmt: skip


def byte_axis(axes: Axes) -> None:
    """Make the horizontal axis a logarithmic axis of bytes."""
    axes.set_xscale("log")
    # As many labels as fit next to each other.
    label_decades(axes.xaxis, axes.get_xlim(), bytes_text, most=3.5)


def bytes_text(value: float, _: object) -> str:
    """Format ``12 kB`` for an axis tick."""
    for unit, size in (("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g} B"


def _whole_numbers(axes: Axes, count: int) -> None:
    from matplotlib.ticker import MaxNLocator

    if count <= 8:
        axes.set_xticks(range(1, count + 1))
        axes.set_xlim(0.5, count + 0.5)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.set_xlim(0, count)
