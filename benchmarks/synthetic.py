"""Time that the conveyor takes to draw a frame, against the 5 ms that a 720p frame may take.

    python benchmarks/synthetic.py [--frames N] [--output FILE.json]

Writes JSON: per size the set-up and the median and 99th percentile of a frame in ms, and the
same as multiples of copying such a frame, which compare from machine to machine.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from rankcast_sender.sources.synthetic import ConveyorOptions, ConveyorSource

SIZES: tuple[dict[str, Any], ...] = (
    {"width": 640, "height": 480},
    {"width": 1280, "height": 720},
    {"width": 1280, "height": 720, "channels": "grey"},
    {"width": 1280, "height": 720, "bits": 12},
    {"width": 1920, "height": 1080},
    {"width": 3840, "height": 2160},
)


def measure(options: dict[str, Any], frames: int) -> dict[str, Any]:
    """Draw some frames of one size."""
    start = time.perf_counter()
    source = ConveyorSource("conveyor", ConveyorOptions(**options))
    setup_s = time.perf_counter() - start
    picture = source.render(0)
    drawn, copied = [], []
    for number in range(frames):
        start = time.perf_counter()
        picture = source.render(number * 7)
        middle = time.perf_counter()
        picture.copy()
        drawn.append(1e3 * (middle - start))
        copied.append(1e3 * (time.perf_counter() - middle))
    median_ms = float(np.median(drawn))
    return {
        **options,
        "frames": frames,
        "setup_s": round(setup_s, 3),
        "frame_ms_p50": round(median_ms, 3),
        "frame_ms_p99": round(float(np.percentile(drawn, 99)), 3),
        "times_a_copy": round(median_ms / float(np.median(copied)), 2),
    }


def main() -> None:
    """Measure all sizes and print or write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100, help="frames of each size")
    parser.add_argument("--output", type=Path, help="file for the JSON, else standard output")
    arguments = parser.parse_args()
    for bits in (8, 12):  # compiles, or loads from the cache, what is then measured
        ConveyorSource("conveyor", ConveyorOptions(width=64, height=48, bits=bits)).render(0)
    text = json.dumps([measure(options, arguments.frames) for options in SIZES], indent=2)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
