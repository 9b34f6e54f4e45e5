"""The detail behind the figures of `codec.py`: every picture and clip, as tables and curves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from codec_rate import EFFORTS, OURS

mpl.use("Agg")  # before importing pyplot, because there may be no screen

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter


def _shown(value: float | None, unit: str = "") -> str:
    if value is None:
        return "-"
    text = f"{value:.1f}" if unit else f"{value:.3f}"
    return f"{text} {unit}".strip()


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def markdown(results: Mapping[str, Any]) -> str:
    """Return the tables of all sections that were measured."""
    run = results["run"]
    parts = [
        f"# Codec `{run['codec']}`\n\nBytes are those of complete packets and files at equal luma"
        " PSNR.\n"
    ]
    for name, section in (
        ("stills", _stills), ("clips", _clips), ("noisy", _noisy), ("deep", _deep),
        ("lossless", _lossless),
    ):  # fmt: skip
        if name in results:
            parts.append(section(results[name]))
    return "\n".join(parts)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f} %"


def _decibel(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f} dB"


_VERSUS: Final = (
    ("bd_rate_percent", "BD-rate", _percent),
    ("bd_rate_with_chroma_percent", "with chroma", _percent),
    ("chroma_gain_db", "chroma at equal luma", _decibel),
)


def _versus(groups: Mapping[str, Mapping[str, Any]], peers: list[str]) -> str:
    """Return the table of Bjontegaard deltas."""
    rows = [
        [name, *(show(found[peer][what]) for peer in peers for what, _, show in _VERSUS)]
        for name, found in groups.items()
    ]
    head = [f"{peer}: {label}" for peer in peers for _, label, _ in _VERSUS]
    return (
        "\nBjontegaard deltas at equal luma PSNR, then at equal PSNR of luma and chroma weighted 6"
        " to 1 and 1; and how much higher than the peer's the PSNR of chroma is where that of luma"
        " is equal.\n\n" + _table(["", *head], rows)
    )


def _stills(found: Mapping[str, Any]) -> str:
    rates = list(found["mean_ratio_by_rate"])
    rows = [
        [name, _shown(i["mean_ratio"]["jpeg"]), _shown(i["mean_ratio"]["webp"]),
         *(_shown(_row_at(i["at"], float(rate), "jpeg")) for rate in rates)]
        for name, i in found["images"].items()
    ]  # fmt: skip
    for peer in ("jpeg", "webp", "webp-m4", "webp-m6", "svd-float32"):
        rows.append(
            [f"**mean, of {peer}**", _shown(found["mean_ratio"][peer]) if peer == "jpeg" else "",
             _shown(found["mean_ratio"][peer]) if peer == "webp" else "",
             *(_shown(found["mean_ratio_by_rate"][rate][peer]) for rate in rates)]
        )  # fmt: skip
    return (
        "## Stills\n\nMean byte ratio to JPEG and to WebP, then that to JPEG at JPEG's bit/pixel."
        " `webp` is the cheaper of method 4 (OpenCV) and method 6 (Pillow) at every PSNR.\n\n"
        + _table(["still", "of JPEG", "of WebP", *(f"at {r}" for r in rates)], rows)
        + _versus(
            {name: i["versus"] for name, i in found["images"].items()}
            | {"**mean**": found["versus"]},
            ["jpeg", "webp-m4", "webp-m6"],
        )
    )


def _row_at(rows: list[dict[str, Any]], rate: float, peer: str) -> float | None:
    for row in rows:
        if abs(row["anchor_bit_per_pixel"] - rate) < 0.01:
            return None if row[peer] is None else float(row[peer])
    return None


def _clips(found: Mapping[str, Any]) -> str:
    low, high = found["window_db"]
    points = range(int(low), int(high) + 1, 2)
    clips = found["clips"]
    peers = list(next(iter(clips.values()))["versus"])
    parts = [
        f"## Clips\n\nKey frames at most {found['gop']} frames apart for all. Byte ratio over"
        f" {low:g} to {high:g} dB or the part of it that both reach, by effort.\n"
    ]
    parts += [f"\n{peer} left out: {reason}.\n" for peer, reason in found["left_out"].items()]
    for effort in next(iter(clips.values()))["ratio"]:
        rows = [
            [name, clip["kind"], str(clip["frames"]),
             *(_shown(clip["ratio"][effort][peer]["psnr"]) for peer in peers)]
            for name, clip in clips.items()
        ] + [
            [f"**geometric mean, {kind}**", "", "",
             *(_shown(mean["ratio"][effort].get(peer, {}).get("psnr")) for peer in peers)]
            for kind, mean in found["mean"].items()
        ]  # fmt: skip
        parts.append(f"\neffort={effort}:\n\n" + _table(["clip", "kind", "frames", *peers], rows))
    for what, name in (
        ("SSIM", "ssim"), ("MS-SSIM", "ms_ssim"), ("PSNR of moving blocks", "moving_psnr"),
        ("SSIM of moving blocks", "moving_ssim"),
    ):  # fmt: skip
        rows = [
            [clip, *(_shown(one["ratio"]["default"][peer][name]) for peer in peers)]
            for clip, one in clips.items()
        ]
        parts.append(
            f"\nByte ratio at equal {what}, effort=default:\n\n" + _table(["clip", *peers], rows)
        )
    rows = [
        [clip,
         *(_gap(one["moving_gap"][peer][name], digits) for peer in peers
           for name, digits in (("moving_ssim", 4), ("moving_psnr", 2)))]
        for clip, one in clips.items()
    ]  # fmt: skip
    head = [f"{peer}: {what}" for peer in peers for what in ("SSIM", "dB")]
    parts.append(
        "\nQuality of moving blocks at equal bytes, the peer's less ours, effort=default:\n\n"
        + _table(["clip", *head], rows)
    )
    rows = [
        [name, *(_shown(clip["ratio_without_headers"][peer]) for peer in peers),
         *(_shown({row["psnr_db"]: row["h264"] for row in clip["at"]}.get(float(db)))
           for db in points)]
        for name, clip in clips.items()
    ]  # fmt: skip
    parts.append(
        "\nWithout the headers of our packets (peers leave names, dates and check sums to a"
        " container); then, with them, the ratio to h264 at single points:\n\n"
        + _table(
            ["clip", *(f"{peer}, bodies" for peer in peers), *(f"{db} dB" for db in points)], rows
        )
    )
    return "".join(parts) + _versus({name: clip["versus"] for name, clip in clips.items()}, peers)


def _gap(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:+.{digits}f}"


def _noisy(found: Mapping[str, Any]) -> str:
    rows = [
        [name, str(s["frames"]), f"{s['bytes']}", f"{s['jpeg_bytes']}", _shown(s["ratio"])]
        for name, s in found["sequences"].items()
    ]
    return f"## Noisy sequences at {found['psnr_db']:g} dB\n\n" + _table(
        ["sequence", "frames", "bytes", "of JPEG", "ratio"], rows
    )


def _deep(found: Mapping[str, Any]) -> str:
    rates = sorted({r["anchor_bit_per_pixel"] for i in found["images"].values() for r in i["at"]})
    rows = [
        [name, *(_shown(i["ratio"][p]) for p in ("jpeg2000", "jpeg2000-5/3", "jpeg2000-9/7")),
         *(_percent(i["versus"][p]["bd_rate_percent"]) for p in ("jpeg2000-5/3", "jpeg2000-9/7")),
         *(_shown(_row_at(i["at"], rate, "jpeg2000")) for rate in rates)]
        for name, i in found["images"].items()
    ]  # fmt: skip
    return (
        "## Deep frames\n\nBytes over those of JPEG 2000 (the cheaper of 5/3 and 9/7 at every"
        " PSNR), then at its bit/pixel.\n\n"
        + _table(
            ["frame", "best", "5/3", "9/7", "BD 5/3", "BD 9/7", *(f"at {r:g}" for r in rates)], rows
        )
    )


def _lossless(found: Mapping[str, Any]) -> str:
    rows = [
        [name, r["group"], str(r.get("bytes", r.get("refused"))), str(r.get("png_bytes", "")),
         _shown(r.get("ratio")), str(r.get("jpegls_bytes", "")), _shown(r.get("jpegls_ratio")),
         _shown(r.get("jpegls_time_ratio"))]
        for name, r in found["images"].items()
    ]  # fmt: skip
    rows += [
        [f"**geometric mean, {group}**", "", "", "", _shown(value), "", "", ""]
        for group, value in found["geometric_mean"].items()
    ]
    rows += [
        [f"**geometric mean, {kind}**", "", "", "", "", "", _shown(value),
         _shown(found["jpegls_time"].get(kind))]
        for kind, value in found["jpegls"].items()
    ]  # fmt: skip
    return "## Lossless against PNG at level 9 and JPEG-LS\n\n" + _table(
        ["picture", "group", "bytes", "PNG", "ratio", "JPEG-LS", "ratio", "of its time"], rows
    )


_STYLES: Final = {
    "jpeg": ("tab:orange", "s"), "mjpeg": ("tab:orange", "s"), "webp-m4": ("tab:green", "^"),
    "webp-m6": ("tab:olive", "v"), "svd-float32": ("tab:gray", "x"),
    "h264-ultrafast": ("tab:green", "^"), "h264": ("tab:red", "v"), "h264-psnr": ("tab:pink", "<"),
    "h264-medium": ("tab:purple", ">"), "av1": ("tab:brown", "D"), "av1-aom": ("tab:gray", "d"),
    EFFORTS["fast"]: ("tab:cyan", "o"), EFFORTS["best"]: ("navy", "o"),
    "jpeg2000-5/3": ("tab:green", "^"), "jpeg2000-9/7": ("tab:red", "v"),
}  # fmt: skip


def plot(results: Mapping[str, Any], path: Path) -> bool:
    """Draw rate-distortion curves, one panel an input; return False if nothing was swept."""
    panels: list[tuple[str, Mapping[str, Any]]] = []
    for section, key in (("stills", "images"), ("clips", "clips"), ("deep", "images")):
        panels += list(results.get(section, {}).get(key, {}).items())
    if not panels:
        return False
    columns = min(4, len(panels))
    lines = math.ceil(len(panels) / columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(4.2 * columns, 3.3 * lines), squeeze=False, layout="constrained"
    )
    handles: dict[str, Any] = {}
    for axis, (name, found) in zip(axes.flat, panels, strict=False):
        for peer, points in found["points"].items():
            finite = sorted(
                (p["bit_per_pixel"], p["psnr_db"]) for p in points if p["psnr_db"] is not None
            )
            colour, marker = ("tab:blue", "o") if peer == OURS else _STYLES[peer]
            label = results["run"]["codec"] if peer == OURS else peer
            handles[label] = axis.plot(
                *zip(*finite, strict=True), color=colour, marker=marker, markersize=3,
                linewidth=1.8 if peer == OURS else 1.0, zorder=3 if peer == OURS else 2,
            )[0]  # fmt: skip
        shown = [
            (p["bit_per_pixel"], p["psnr_db"])
            for peer, points in found["points"].items()
            if peer != "svd-float32"
            for p in points
            if p["psnr_db"] is not None
        ]
        # The articles' method needs so many more bytes that all other curves would be squeezed.
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlim(min(b for b, _ in shown) / 1.2, max(b for b, _ in shown) * 1.2)
        axis.set_ylim(min(d for _, d in shown) - 1, max(d for _, d in shown) + 1)
        axis.set_title(name, fontsize=9)
        axis.grid(visible=True, which="both", linewidth=0.3)
        axis.set_xlabel("bit/pixel", fontsize=8)
        axis.set_ylabel("luma PSNR, dB", fontsize=8)
        axis.tick_params(labelsize=7)
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_visible(False)
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles))
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return True
