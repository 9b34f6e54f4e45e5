"""Plot of the comparison on a clip: quality against bit rate, bytes, processor time."""

from __future__ import annotations

import math
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from rankcast.commands.compare.clips.clip_comparison import ClipComparison, CoderResult
from rankcast.commands.plotting import DPI, MUTED, STYLE, label_decades, save
from rankcast.rate_distortion import Quality, by_psnr, by_ssim, ssim_db

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH: Final = 1500
TOP_HEIGHT: Final = 560
ROW_HEIGHT: Final = 34
"""Height of a coder in the bars."""
LEGEND_COLUMNS: Final = 9
_SIMILARITIES: Final = (
    0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999, 0.99999,
)  # fmt: skip
"""Ticks of an axis of similarity."""
_LOOKS: Final = (
    ("#c2410c", "o"), ("#3b6fb6", "s"), ("#3f9b8c", "^"), ("#7c3aed", "D"), ("#b08900", "v"),
    ("#d1495b", "P"), ("#5f6368", "X"), ("#84631a", "h"), ("#111827", "*"),
)  # fmt: skip
Looks: TypeAlias = dict[str, tuple[str, str]]


def draw_clip_plot(path: Path, title: str, comparison: ClipComparison) -> None:
    """Draw the curves and, below them, bars of bytes and processor time; write them as PNG.

    Raises
    ------
    RankcastError
        If the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import MaxNLocator

    bottom = 130 + ROW_HEIGHT * len(comparison.results)
    height = TOP_HEIGHT + bottom + 90
    looks: Looks = dict(
        zip((result.name for result in comparison.results), cycle(_LOOKS), strict=False)
    )
    layout = ConstrainedLayoutEngine(w_pad=0.2, h_pad=0.15, wspace=0.03)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, layout=layout)
        figure.suptitle(title, fontsize=16, fontweight="bold", x=0.012, ha="left")
        axes = figure.subplot_mosaic(
            [["psnr", "ssim"], ["bytes", "time"]], height_ratios=(TOP_HEIGHT, bottom)
        )
        _draw_curves(axes["psnr"], comparison, looks, by_psnr)
        axes["psnr"].set_title("Quality against bit rate: PSNR")
        axes["psnr"].set_ylabel("PSNR of luma in dB")
        axes["psnr"].yaxis.set_major_locator(MaxNLocator(integer=True))
        _draw_curves(axes["ssim"], comparison, looks, by_ssim)
        axes["ssim"].set_title("Quality against bit rate: SSIM")
        axes["ssim"].set_ylabel("SSIM of luma")
        _label_similarity(axes["ssim"])
        _draw_bytes(axes["bytes"], comparison, looks)
        _draw_time(axes["time"], comparison)
        handles, labels = axes["psnr"].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=LEGEND_COLUMNS,
                      columnspacing=1.4, handlelength=2.0)  # fmt: skip
        save(figure, path)


def _draw_curves(axes: Axes, comparison: ClipComparison, looks: Looks, quality: Quality) -> None:
    """Draw one curve for each coder; a coder that is exact at one rate is a line across."""
    rates: list[float] = []
    for result in comparison.results:
        colour, marker = looks[result.name]
        bold = result.name == comparison.base
        points = [
            (comparison.kbit_per_s(trial) / 1e3, db)
            for trial in result.trials
            if (db := quality(trial.point)) is not None and math.isfinite(db)
        ]
        if points:
            rates += [rate for rate, _ in points]
            axes.plot(*zip(*sorted(points), strict=True), label=result.name, color=colour,
                      marker=marker, markersize=6, linewidth=2.6 if bold else 1.6,
                      zorder=3 if bold else 2)  # fmt: skip
        else:
            rate = comparison.kbit_per_s(result.trials[-1]) / 1e3
            rates.append(rate)
            axes.axvline(rate, color=colour, linewidth=1.4, linestyle="--",
                         label=f"{result.name}: exact")  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(min(rates) / 1.2, max(rates) * 1.2)
    label_decades(axes.xaxis, axes.get_xlim(), lambda value, _: f"{value:g}", most=2.5)
    axes.set_xlabel("bit rate in Mbit/s")


def _label_similarity(axes: Axes) -> None:
    """Label an axis of similarity in dB with the similarity itself."""
    low, high = axes.get_ylim()
    shown = [value for value in _SIMILARITIES if low <= ssim_db(value) <= high]
    axes.set_yticks([ssim_db(value) for value in shown], [f"{value:g}" for value in shown])
    axes.set_ylim(low, high)


def _draw_bytes(axes: Axes, comparison: ClipComparison, looks: Looks) -> None:
    """Draw bytes at equal quality as bars from 1, which is the base."""
    axes.set_title(f"Bytes at equal quality, {comparison.base} = 1")
    axes.set_xscale("log")
    ratios = [1.0]
    for number, result in enumerate(comparison.results):
        colour, _ = looks[result.name]
        for shift, equal, alpha in ((-0.2, result.equal_psnr, 1.0), (0.2, result.equal_ssim, 0.45)):
            if equal is None:
                continue
            ratios.append(equal.ratio)
            axes.barh(number + shift, equal.ratio - 1, left=1, height=0.36, color=colour,
                      alpha=alpha)  # fmt: skip
            right = equal.ratio >= 1
            axes.annotate(f"{equal.ratio:.3g}", (equal.ratio, number + shift),
                          xytext=(4 if right else -4, 0), textcoords="offset points", va="center",
                          ha="left" if right else "right", fontsize=10)  # fmt: skip
    axes.axvline(1, color=MUTED, linewidth=1)
    _name_rows(axes, comparison.results)
    # Room for the figures beside the longest bars.
    room = max(1.1, (max(ratios) / min(ratios)) ** 0.15)
    axes.set_xlim(min(ratios) / room, max(ratios) * room)
    label_decades(axes.xaxis, axes.get_xlim(), lambda value, _: f"{value:g}", most=2.5)
    axes.set_xlabel("full colour: at equal PSNR; pale: at equal SSIM; left of 1: fewer bytes")


def _draw_time(axes: Axes, comparison: ClipComparison) -> None:
    """Draw the processor time of a frame: encoding, then decoding."""
    axes.set_title(f"Time of a frame near {comparison.shown_db:g} dB")
    fps = comparison.clip.fps
    for number, result in enumerate(comparison.results):
        trial = result.shown
        total = trial.encode_cpu_ms + trial.decode_cpu_ms
        axes.barh(number, trial.encode_cpu_ms, height=0.6, color="#3b6fb6")
        axes.barh(number, trial.decode_cpu_ms, left=trial.encode_cpu_ms, height=0.6,
                  color="#9dbbe3")  # fmt: skip
        held = f", {trial.delay_frames} frames held" if trial.delay_frames else ""
        axes.annotate(f"{total:.1f} ms, delay {trial.delay_ms(fps):.1f} ms{held}", (total, number),
                      xytext=(4, 0), textcoords="offset points", va="center",
                      fontsize=10)  # fmt: skip
    _name_rows(axes, comparison.results)
    # Room for the text behind the longest bar.
    axes.set_xlim(0, 1.5 * max(axes.get_xlim()))
    axes.set_xlabel("ms of processor time, median; dark: encode, pale: decode")


def _name_rows(axes: Axes, results: tuple[CoderResult, ...]) -> None:
    axes.set_yticks(range(len(results)), [result.name for result in results])
    axes.set_ylim(len(results) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
