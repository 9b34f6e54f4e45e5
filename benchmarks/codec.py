"""The codec against its peers: bytes at equal quality, time, memory.

    python benchmarks/codec.py [--data DIR] [--quick] [--only SECTION]... [--out FOLDER]

Needs the extra `bench`. Writes codec.json, codec.md and codec.png to the folder, and shows the
Markdown on standard error. Without ``--data`` all pictures are made by the synthetic conveyor,
which is no publication: figures for publication are those of real pictures, see README.md here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

try:
    import codec_clips
    import codec_report
    import codec_speed
    import codec_stills
    from codec_rate import Tested, say
except ModuleNotFoundError as exc:
    raise SystemExit(f"{exc}: the peers come with the extra, pip install -e '.[bench]'") from None

import rankcast
from rankcast.codec import CODECS_BY_NAME
from rankcast.kernels.pool import processors
from rankcast.opencv import cv2

SECTIONS = ("stills", "clips", "noisy", "deep", "lossless", "speed")


def _sections(
    tested: Tested, arguments: argparse.Namespace
) -> dict[str, Callable[[], dict[str, Any]]]:
    """What each section runs, by name, in order."""
    data, gop, quick = arguments.data, arguments.gop, arguments.quick
    frames = arguments.frames or (12 if quick else 60)
    most = 2 if quick else None
    sizes = codec_speed.SIZES[-1:] if quick else codec_speed.SIZES
    return {
        "stills": lambda: codec_stills.stills(tested, data, most),
        "clips": lambda: codec_clips.clips(tested, data, frames, gop, most),
        "noisy": lambda: codec_clips.noisy(tested, data, frames, gop),
        "deep": lambda: codec_stills.deep(tested, data),
        "lossless": lambda: codec_stills.lossless(arguments.lossless_codec, data, most),
        "speed": lambda: codec_speed.speed(
            tested, data, 15 if quick else 40, sizes, (2,) if quick else (1, 2)
        ),
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with kodak/, video/, seq/, raw16/")
    parser.add_argument("--quick", action="store_true", help="few inputs, to see that it works")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="may be repeated")
    parser.add_argument("--out", type=Path, default=Path("out/bench-codec"), help="folder")
    parser.add_argument("--codec", default="svd-patch", help="codec under test")
    parser.add_argument("--lossless-codec", default="lossless")
    parser.add_argument("--frames", type=int, help="frames of a clip, default 60")
    parser.add_argument("--gop", type=int, default=250, help="key frame interval of all streams")
    arguments = parser.parse_args()
    if arguments.data and not arguments.data.is_dir():
        parser.error(f"got --data {arguments.data}, want a folder")
    wanted = arguments.only or SECTIONS
    if arguments.codec not in CODECS_BY_NAME:  # argparse does not check defaults
        parser.error(f"got --codec {arguments.codec}, want one of {', '.join(CODECS_BY_NAME)}")
    if "lossless" in wanted and arguments.lossless_codec not in CODECS_BY_NAME:
        parser.error(
            f"got --lossless-codec {arguments.lossless_codec}, want one of "
            + ", ".join(sorted(CODECS_BY_NAME))
        )
    return arguments


def main() -> None:
    """Measure, then write and show the report."""
    arguments = _parse()
    tested = Tested(arguments.codec)
    wanted = arguments.only or SECTIONS
    results: dict[str, Any] = {
        "run": {
            "codec": tested.name,
            "source": "Pictures of a folder" if arguments.data else "Synthetic pictures",
            "quick": arguments.quick,
            "rankcast": rankcast.__version__,
            "opencv": cv2.__version__,
            "python": platform.python_version(),
            "processors": processors(),
            "load_average": os.getloadavg()[0],
            "seconds": {},
        }
    }
    for name, measure in _sections(tested, arguments).items():
        if name in wanted:
            started = time.perf_counter()
            results[name] = measure()
            if name == "speed":
                results["memory"] = codec_speed.memory(tested, arguments.data)
            results["run"]["seconds"][name] = round(time.perf_counter() - started, 1)
    codec_report.add_ratios(results)
    results["bars"] = codec_report.verdicts(results)
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = codec_report.markdown(results)
    (arguments.out / "codec.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (arguments.out / "codec.md").write_text(text, "utf-8")
    codec_report.plot(results, arguments.out / "codec.png")
    say(text)
    say(f"written: {arguments.out}/codec.json, codec.md, codec.png")


if __name__ == "__main__":
    main()
