"""Bytes of svd-patch at equal quality, of libaom in real time: fixed cameras, 36 to 46 dB.

    python benchmarks/libaom.py --data DIR [--quick] [--output FILE.json]

PyAV has no libaom; the command `ffmpeg` of Debian has (``apt install ffmpeg``). Its settings are
those of `rankcast.rate_distortion.PEERS`: usage realtime, cpu-used 8, no look-ahead. A quick run
takes two clips and half of the settings.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final

import codec_peers
import codec_pictures
from codec_clips import CLIP_WINDOW_DB, CRF_AV1
from codec_rate import Tested
from command_line import data_name, finish, option_parser, say
from ffmpeg_coder import FfmpegCoder
from record import Record, Row, at_most, rounded

from rankcast.rate_distortion import (
    PEERS,
    ClipFormat,
    Curve,
    Point,
    cover,
    geometric_mean,
    mean_ratio,
)

FRAMES: Final = 60
GOP: Final = 250
MOST: Final = 1.1
"""Of libaom's bytes, at effort=best."""


def libaom_point(frames: Sequence[Any], crf: float) -> Point:
    """Code frames as one stream of libaom, on one thread."""
    peer = PEERS["av1-aom"].encoder
    assert peer is not None
    # `b` is the average bit rate, which `ffmpeg` calls -b:v.
    options = [word for name, value in peer.options.items()
               for word in ("-b:v" if name == "b" else f"-{name}", value)]  # fmt: skip
    command = ["-c:v", peer.encoder, *options, f"-{peer.setting}", f"{crf:g}", "-g", str(GOP),
               "-threads", "1"]  # fmt: skip
    coder = FfmpegCoder(command, ClipFormat.of(frames[0], codec_peers.FPS))
    return codec_peers.stream_point(frames, coder, f"crf={crf:g}")


def ratios(tested: Tested, frames: Sequence[Any], every: int) -> dict[str, float]:
    """Return bytes over those of libaom at equal PSNR, of each effort; none without an overlap."""
    low, high = CLIP_WINDOW_DB
    theirs = Curve(cover(CRF_AV1[::every], lambda s: libaom_point(frames, s), low, high))
    found = {}
    for effort in tested.efforts:
        ours = cover(
            tested.sweep("clip")[::every],
            lambda o, e=effort: codec_peers.rankcast_point(
                frames, tested.name, **tested.fixed(GOP, e), **o
            ),
            low,
            high,
        )
        if ratio := mean_ratio(Curve(ours), theirs, low, high):
            found[effort] = ratio["ratio"]
    return found


def version() -> str:
    """Return the version of the command `ffmpeg`."""
    text = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"ffmpeg version (\S+)", text)
    return found[1] if found else "unknown"


def main() -> int:
    """Measure all fixed cameras."""
    parser = option_parser(__doc__, data=True)
    options = parser.parse_args()
    if shutil.which("ffmpeg") is None:
        parser.error("there is no command ffmpeg; install it (apt install ffmpeg)")
    tested, every = Tested("svd-patch"), 2 if options.quick else 1
    clips = dict(codec_pictures.video_clips(options.data, FRAMES, None))
    clips |= codec_pictures.sequences(options.data, FRAMES)
    if options.quick:
        clips = dict(list(clips.items())[:2])
    found: dict[str, dict[str, float]] = {}
    for name, clip in clips.items():
        found[name] = ratios(tested, codec_pictures.even(clip), every)
        say(f"clip {name}: " + ", ".join(f"{e} {r:.3f}" for e, r in found[name].items()))
    label = PEERS["av1-aom"].label
    rows = []
    for effort in tested.efforts:
        each = [one[effort] for one in found.values() if effort in one]
        rows.append(Row(f"fixed cameras, 36 to 46 dB, effort={effort}", peer=label,
                        ratio=geometric_mean(each),
                        bar=at_most(MOST) if effort == "best" else None))  # fmt: skip
    best = [one["best"] for one in found.values() if "best" in one]
    rows.append(Row("the same, effort=best, the worst clip", peer=label, ratio=max(best)))
    record = Record(
        "libaom",
        "Bytes beside libaom",
        f"svd-patch, complete packets, over {label} (`ffmpeg` {version()}) at equal luma PSNR:"
        f" {len(best)} clips of fixed cameras of {FRAMES} frames, geometric mean.",
        rounded(rows),
        data=data_name(options.data),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
