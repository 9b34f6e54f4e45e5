"""Output of the comparison on a clip: table, plot, JSON and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from rankcast.commands.compare.clips.clip import Clip
from rankcast.commands.compare.clips.clip_coder import GOP, ClipCoder
from rankcast.commands.compare.clips.clip_comparison import (
    SIMILARITY_EVERY,
    ClipComparison,
    CoderResult,
    EqualQuality,
    compare_clip,
    step_count,
)
from rankcast.commands.compare.clips.clip_plot import draw_clip_plot
from rankcast.commands.compare.html_page import HtmlPage, HtmlTable
from rankcast.commands.compare.report_target import ReportTarget
from rankcast.commands.terminal import console, size_text, with_progress
from rankcast.rate_distortion import Trial

TABLE_COLUMNS: Final = 96
TITLES: Final = (
    "codec", "equal PSNR", "equal SSIM", "kbit/s", "at", "PSNR dB", "SSIM", "enc ms", "dec ms",
    "held", "delay ms",
)  # fmt: skip


def report_clip(
    clip: Clip, coders: Sequence[ClipCoder], base: str | None, target: ReportTarget
) -> None:
    """Compare, print the table and write the files that `target` requests.

    Parameters
    ----------
    clip : Clip
    coders : sequence of ClipCoder
    base : str, optional
        Name of the coder that bytes are divided by; by default the first one that codes the clip.
    target : ReportTarget

    Raises
    ------
    SourceError
        If the clip cannot be read.
    UnsupportedImageError
        If no coder can code it, or the base cannot.
    """
    comparison = with_progress(
        "comparing",
        step_count(clip, coders),
        lambda advance: compare_clip(clip, coders, base, advance),
    )
    about, remarks = _about(comparison), _remarks(comparison, clip)
    _print_table(target.name, about, comparison, remarks)
    target.write_json(clip_json(target.name, comparison))
    plots = []
    if target.pictures:
        plot = target.picture("clip-plot")
        draw_clip_plot(plot, f"{target.name}, {about}", comparison)
        target.announce("plot", plot)
        plots.append(plot.read_bytes())
    target.write_html(
        HtmlPage(
            title=target.name,
            about=about,
            table=HtmlTable(
                TITLES,
                [
                    *(_cells(result, comparison) for result in comparison.results),
                    *([each.name, f"left out: {each.reason}"] for each in comparison.left_out),
                ],
                words=1,
            ),
            notes=remarks,
            figures=[],
            plots=plots,
        )
    )


def _about(comparison: ClipComparison) -> str:
    clip = comparison.clip
    size = size_text(clip.shape, f"{clip.bits} bits")
    return f"{size}  ·  {comparison.frames} frames, {clip.fps:.4g} fps"


def _remarks(comparison: ClipComparison, clip: Clip) -> list[str]:
    """Return the lines below the table, which explain it and name what was changed or left out."""
    remarks = [f"{each.name}: {each.label}" for each in comparison.results if each.label]
    remarks += [
        f"equal PSNR, equal SSIM: bytes over those of {comparison.base} where both have the same "
        "quality, mean over all that both reach",
        f"kbit/s: at {comparison.shown_db:g} dB, interpolated; the columns after it: the setting "
        "nearest to that",
        "enc ms, dec ms: processor time of a frame, median; held: frames that a coder keeps before "
        "it shows one",
        "delay ms: held frames, then the time to encode and decode one on one thread, median",
        f"PSNR and SSIM of luma; SSIM of every {SIMILARITY_EVERY}th frame; key frames at most "
        f"{GOP} frames apart",
    ]
    clip_format = comparison.clip
    if clip_format.bits > 8:
        remarks.append(f"PSNR and SSIM on the scale of {clip_format.bits} bits")
    if clip.cropped:
        height, width = clip_format.shape[:2]
        remarks.append(f"note: cropped to {width} x {height}, because 4:2:0 needs even sides")
    if comparison.damaged:
        remarks.append(f"note: {comparison.damaged} damaged frames left out")
    return remarks


def _cells(result: CoderResult, comparison: ClipComparison) -> list[str]:
    trial = result.shown
    point = trial.point
    exact = point.psnr_db == float("inf")
    rate = comparison.shown_kbit_per_s(result)
    return [
        result.name,
        _ratio(result.equal_psnr, result, comparison),
        _ratio(result.equal_ssim, result, comparison),
        "-" if rate is None else f"{rate:,.0f}",
        point.setting,
        "exact" if exact else f"{point.psnr_db:.2f}",
        "" if point.ssim is None else f"{point.ssim:.4f}",
        f"{trial.encode_cpu_ms:.1f}",
        f"{trial.decode_cpu_ms:.1f}",
        f"{trial.delay_frames}",
        f"{trial.delay_ms(comparison.clip.fps):.1f}",
    ]


def _ratio(equal: EqualQuality | None, result: CoderResult, comparison: ClipComparison) -> str:
    if result.name == comparison.base:
        return "1"
    return "-" if equal is None else f"{equal.ratio:.3g}"


def _print_table(name: str, about: str, comparison: ClipComparison, remarks: Sequence[str]) -> None:
    out = console(TABLE_COLUMNS)
    out.print(Text(f"{name}: {about}", style="bold"))
    table = Table(
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1), header_style="bold"
    )
    for number, title in enumerate(TITLES):
        table.add_column(title, justify="left" if number == 0 else "right", no_wrap=True)
    for result in comparison.results:
        table.add_row(*_cells(result, comparison))
    out.print(table)
    for each in comparison.left_out:
        out.print(Text(f"{each.name}  left out: {each.reason}"))
    for line in remarks:
        out.print(Text(line))


def clip_json(name: str, comparison: ClipComparison) -> dict[str, Any]:
    """Return the data of table and plot; an exact clip has `lossless` true and `psnr_db` null."""
    clip = comparison.clip
    return {
        "clip": name,
        "shape": list(clip.shape),
        "bits": clip.bits,
        "fps": clip.fps,
        "frames": comparison.frames,
        "damaged": comparison.damaged,
        "base": comparison.base,
        "shown_db": comparison.shown_db,
        "results": [
            {
                "codec": result.name,
                "label": result.label,
                "equal_psnr": _equal_json(result.equal_psnr),
                "equal_ssim": _equal_json(result.equal_ssim),
                "kbit_per_s_at_shown_db": comparison.shown_kbit_per_s(result),
                "shown_at": result.shown.point.setting,
                "trials": [_trial_json(trial, comparison) for trial in result.trials],
            }
            for result in comparison.results
        ],
        "left_out": [{"codec": each.name, "reason": each.reason} for each in comparison.left_out],
    }


def _equal_json(equal: EqualQuality | None) -> dict[str, float] | None:
    if equal is None:
        return None
    return {"ratio": equal.ratio, "from_db": equal.from_db, "to_db": equal.to_db}


def _trial_json(trial: Trial, comparison: ClipComparison) -> dict[str, Any]:
    point = trial.point
    exact = point.psnr_db == float("inf")
    return {
        "at": point.setting,
        "bytes": point.size_bytes,
        "header_bytes": point.header_bytes,
        "kbit_per_s": comparison.kbit_per_s(trial),
        "psnr_db": None if exact else point.psnr_db,
        "lossless": exact,
        "ssim": point.ssim,
        "ms_ssim": point.ms_ssim,
        "encode_cpu_ms": trial.encode_cpu_ms,
        "decode_cpu_ms": trial.decode_cpu_ms,
        "encode_ms": trial.encode_ms,
        "decode_ms": trial.decode_ms,
        "delay_frames": trial.delay_frames,
        "delay_ms": trial.delay_ms(comparison.clip.fps),
    }
