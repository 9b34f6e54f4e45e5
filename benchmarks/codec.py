"""The codecs against their peers: bytes at equal quality.

    python benchmarks/codec.py [--data DIR] [--quick] [--only SECTION]... [--output FILE.json]

Needs the extra `bench`. Curves and tables of every picture go to the folder of ``--detail``.
Without ``--data`` all pictures come from the synthetic conveyor, which flatters every codec.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

try:
    import codec_clips
    import codec_detail
    import codec_lossless
    import codec_stills
    from codec_rate import Tested
except ModuleNotFoundError as exc:
    raise SystemExit(f"{exc}: install the peers with pip install -e '.[bench]'") from None

from command_line import data_name, finish, option_parser, say
from record import Bar, Record, Row, at_most, rounded

from rankcast.codec import CODECS_BY_NAME

SECTIONS: Final = ("stills", "clips", "noisy", "deep", "lossless")


@dataclass(frozen=True, slots=True)
class Figure:
    """A byte ratio, or a difference at equal bytes, reported as a row."""

    path: str
    """Path of the value in the results, keys joined by ``/``."""
    what: str
    peer: str
    bar: Bar | None = None
    unit: str | None = None
    """Unit of a figure that is a difference and no ratio; empty for a difference of SSIM."""

    def row(self, results: Mapping[str, Any]) -> Row | None:
        """Return the row; None if its section or its peer was not measured."""
        value: Any = results
        for key in self.path.split("/"):
            if not isinstance(value, Mapping) or key not in value:
                return None
            value = value[key]
        if value is None:
            return None
        if self.unit is not None:
            return Row(self.what, value, self.unit, self.bar, self.peer)
        return Row(f"{self.what}, of {self.peer}", peer=self.peer, ratio=value, bar=self.bar)


PEER_NAMES: Final[Mapping[str, str]] = {
    "mjpeg": "MJPEG",
    "h264-ultrafast": "x264 ultrafast",
    "h264": "x264 veryfast",
    "h264-psnr": "x264 veryfast, tuned for PSNR",
    "h264-medium": "x264 medium, tuned for PSNR",
    "av1": "SVT-AV1 preset 10, low delay",
    "av1-aom": "libaom real time, cpu-used 8",
}
"""What rows call a peer; those of H.264 run with zero latency."""
_CLIP_KINDS: Final[Mapping[str, str]] = {
    "fixed": "fixed cameras", "moving": "moving cameras", "synthetic": "synthetic clips",
    "noisy": "clips with added noise",
}  # fmt: skip
_STILLS: Final = "photographs, 0.25 to 2 bit/pixel"
_DEEP: Final = "12- and 16-bit frames, 1 to 6 bit/pixel"
_DB: Final = "36 to 46 dB"
_LOSSLESS_KINDS: Final[Mapping[str, str]] = {
    "colour": "colour pictures", "grey": "grey pictures of 8 bits",
    "deep": "grey pictures of 12 and 16 bits", "drawings": "drawings",
}  # fmt: skip


def _clip_figure(kind: str, effort: str, peer: str, most: float | None = None) -> Figure:
    """Return the figure of one kind of clips at equal PSNR."""
    return Figure(
        f"clips/mean/{kind}/ratio/{effort}/{peer}/psnr",
        f"{_CLIP_KINDS[kind]}, {_DB}, effort={effort}",
        PEER_NAMES[peer],
        None if most is None else at_most(most),
    )


def _similarity_figures(kind: str, peer: str) -> list[Figure]:
    """Return the figures of one kind of clips at equal similarity, and of what moves there."""
    base, name, what = f"clips/mean/{kind}", PEER_NAMES[peer], _CLIP_KINDS[kind]
    return [
        Figure(f"{base}/ratio/default/{peer}/{measure}", f"{what}, at equal {shown}", name)
        for measure, shown in (
            ("all_psnr", "PSNR of all planes, 6:1:1"), ("ssim", "SSIM"), ("ms_ssim", "MS-SSIM"),
            ("moving_psnr", "PSNR of moving blocks"),
            ("moving_ssim", "SSIM of moving blocks"),
        )
    ] + [
        Figure(f"{base}/moving_gap/{peer}/moving_psnr",
               f"{what}, PSNR of moving blocks at equal bytes, {name} - ours", name, None, "dB"),
    ]  # fmt: skip


FIGURES: Final = (
    Figure("stills/mean_ratio/jpeg", _STILLS, "JPEG", at_most(0.56)),
    Figure("stills/mean_ratio/webp", _STILLS, "WebP", at_most(0.82)),
    Figure("clips/mean/video/ratio/default/mjpeg/psnr", f"video clips, {_DB}", "MJPEG",
           at_most(0.09)),
    _clip_figure("fixed", "default", "mjpeg", 0.09),
    _clip_figure("fixed", "default", "h264-ultrafast", 0.45),
    _clip_figure("fixed", "fast", "h264", 0.95),
    _clip_figure("fixed", "default", "h264", 0.80),
    _clip_figure("fixed", "best", "h264", 0.68),
    _clip_figure("fixed", "default", "h264-psnr"),
    _clip_figure("fixed", "best", "h264-psnr"),
    _clip_figure("fixed", "default", "h264-medium"),
    _clip_figure("fixed", "best", "h264-medium"),
    _clip_figure("fixed", "best", "av1", 0.90),
    _clip_figure("fixed", "best", "av1-aom", 1.10),
    _clip_figure("moving", "default", "h264", 1.0),
    _clip_figure("moving", "default", "h264-psnr"),
    _clip_figure("moving", "best", "av1"),
    _clip_figure("synthetic", "default", "h264"),
    _clip_figure("noisy", "default", "h264"),
    *_similarity_figures("fixed", "h264"),
    *_similarity_figures("moving", "h264"),
    Figure("clips/mean/all/moving_gap/h264/moving_ssim",
           "fixed and moving cameras, SSIM of moving blocks at equal bytes, x264 veryfast - ours",
           "x264 veryfast", at_most(0.010), ""),
    Figure("noisy/worst_ratio", "noisy sequences at 38 dB, the worst", "JPEG", at_most(0.6)),
    Figure("deep/geometric_mean/jpeg2000", _DEEP, "JPEG 2000", at_most(0.80)),
    Figure("lossless/geometric_mean/all", "lossless, all pictures", "PNG", at_most(0.90)),
    Figure("lossless/geometric_mean/stills", "lossless, photographs", "PNG"),
    Figure("lossless/geometric_mean/sequences", "lossless, noisy sequences", "PNG"),
    Figure("lossless/geometric_mean/deep", "lossless, 12- and 16-bit frames", "PNG"),
    Figure("lossless/geometric_mean/drawings", "lossless, drawings of few levels", "PNG"),
    *(
        Figure(f"lossless/jpegls/{kind}", f"lossless, {what}", "JPEG-LS", at_most(1.0))
        for kind, what in _LOSSLESS_KINDS.items()
    ),
    *(
        Figure(f"lossless/jpegls_time/{kind}", f"lossless, time of encoding {what}, 2 threads",
               "JPEG-LS", at_most(1.5))
        for kind, what in _LOSSLESS_KINDS.items() if kind != "drawings"
    ),
    Figure("lossless/jpegls_time/drawings", "lossless, time of encoding drawings, 2 threads",
           "JPEG-LS"),
    Figure("lossless/sensor_ms/sensor-8bit",
           "lossless, encoding 2448 x 2048 of 8 bits with sensor noise, 2 threads", "",
           at_most(80), "ms"),
    Figure("lossless/sensor_ms/sensor-12bit",
           "lossless, encoding 2448 x 2048 of 12 bits with sensor noise, 2 threads", "",
           at_most(120), "ms"),
)  # fmt: skip


def rows(results: Mapping[str, Any]) -> list[Row]:
    """Return the figures of the sections that were measured."""
    found = [row for figure in FIGURES if (row := figure.row(results)) is not None]
    if "stills" in results:
        versus = results["stills"]["versus"]
        for peer, name in (("jpeg", "JPEG"), ("webp-m4", "WebP method 4"), ("webp-m6", "WebP")):
            found += [
                Row(f"photographs, Bjontegaard delta of luma and chroma to {name}",
                    versus[peer]["bd_rate_with_chroma_percent"], "%", peer=name),
                Row(f"photographs, PSNR of chroma over {name}'s where that of luma is equal",
                    versus[peer]["chroma_gain_db"], "dB", peer=name),
            ]  # fmt: skip
    return found


def _measures(
    tested: Tested, options: argparse.Namespace
) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return the function that measures each section, by name, in order."""
    data, gop = options.data, options.gop
    frames = options.frames or (12 if options.quick else 60)
    most = 2 if options.quick else None
    return {
        "stills": lambda: codec_stills.stills(tested, data, most),
        "clips": lambda: codec_clips.clips(tested, data, frames, gop, quick=options.quick),
        "noisy": lambda: codec_clips.noisy(tested, data, frames, gop),
        "deep": lambda: codec_stills.deep(tested, data),
        "lossless": lambda: codec_lossless.lossless(options.lossless_codec, data, most),
    }


def _parse() -> argparse.Namespace:
    parser = option_parser(__doc__, data=True)
    parser.add_argument("--only", action="append", choices=SECTIONS, help="may be repeated")
    parser.add_argument("--detail", type=Path, default=Path("out/bench-codec"), help="folder")
    parser.add_argument("--codec", default="svd-patch", help="codec under test")
    parser.add_argument("--lossless-codec", default="lossless")
    parser.add_argument("--frames", type=int, help="frames of a clip, default 60")
    parser.add_argument("--gop", type=int, default=250, help="key frame interval of all streams")
    options = parser.parse_args()
    for name in (options.codec, options.lossless_codec):
        if name not in CODECS_BY_NAME:
            parser.error(f"codec {name} must be one of {', '.join(sorted(CODECS_BY_NAME))}")
    return options


def _left_out(results: Mapping[str, Any]) -> str:
    """Return which peers the installation lacks, as a sentence."""
    missing = results.get("clips", {}).get("left_out", {})
    return "".join(f" Not measured: {PEER_NAMES[peer]} ({why})." for peer, why in missing.items())


def main() -> int:
    """Measure the sections and write details and record."""
    options = _parse()
    tested = Tested(options.codec)
    results: dict[str, Any] = {"run": {"codec": tested.name}}
    for name, measure in _measures(tested, options).items():
        if name in (options.only or SECTIONS):
            results[name] = measure()
    options.detail.mkdir(parents=True, exist_ok=True)
    (options.detail / "codec.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (options.detail / "codec.md").write_text(codec_detail.markdown(results), "utf-8")
    codec_detail.plot(results, options.detail / "codec.png")
    say(f"details: {options.detail}/codec.json, codec.md, codec.png")
    record = Record(
        "codec",
        "Bytes at equal quality",
        f"Codec {tested.name} and, where the row says so, {options.lossless_codec}: bytes of"
        " complete packets over those of the peer at equal luma PSNR. Photographs: mean;"
        " clips, deep and lossless pictures: geometric mean. Moving blocks: 16 x 16 luma samples"
        " that changed by more than noise; their figures are those of effort=default. JPEG-LS is"
        " CharLS on one thread." + _left_out(results),
        rounded(rows(results)),
        data=data_name(options.data),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
