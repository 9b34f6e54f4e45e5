"""Time that the synthetic conveyor takes to draw a frame.

    python benchmarks/synthetic.py [--frames N] [--quick] [--output FILE.json]

The ratio to copying such a frame is comparable between machines.
"""

from __future__ import annotations

import sys
import time
from typing import Any, Final

import numpy as np
from command_line import finish, option_parser
from record import Record, Row, at_most, rounded

from rankcast_sender.sources.synthetic import ConveyorOptions, ConveyorSource

SIZES: Final[tuple[dict[str, Any], ...]] = (
    {"width": 640, "height": 480},
    {"width": 1280, "height": 720},
    {"width": 1280, "height": 720, "channels": "grey"},
    {"width": 1280, "height": 720, "bits": 12},
    {"width": 1920, "height": 1080},
    {"width": 3840, "height": 2160},
)
MAX_720P_MS: Final = 5.0
"""Bar for 1280 x 720: the source must not limit a stream."""


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
    return {
        "setup_ms": 1e3 * setup_s,
        "median_ms": float(np.median(drawn)),
        "p99_ms": float(np.percentile(drawn, 99)),
        "copy_ms": float(np.median(copied)),
    }


def rows(options: dict[str, Any], measured: dict[str, float]) -> list[Row]:
    """Return the figures of one size."""
    kind = [options.get("channels", "colour"), f"{options.get('bits', 8)} bits"]
    name = f"{options['width']} x {options['height']}, {', '.join(kind)}"
    bar = at_most(MAX_720P_MS) if name == "1280 x 720, colour, 8 bits" else None
    ratio = measured["median_ms"] / measured["copy_ms"]
    return [
        Row(f"{name}: median", measured["median_ms"], "ms", bar, "a copy of the frame", ratio),
        Row(f"{name}: 99th percentile", measured["p99_ms"], "ms"),
        Row(f"{name}: set-up", measured["setup_ms"], "ms"),
    ]


def main() -> int:
    """Measure all sizes and write the record."""
    parser = option_parser(__doc__)
    parser.add_argument("--frames", type=int, default=0, help="default 100, 10 with --quick")
    options = parser.parse_args()
    frames = options.frames or (10 if options.quick else 100)
    for bits in (8, 12):  # compiles, or loads from the cache, what is then measured
        ConveyorSource("conveyor", ConveyorOptions(width=64, height=48, bits=bits)).render(0)
    found = [row for size in SIZES for row in rows(size, measure(size, frames))]
    record = Record(
        "synthetic",
        "The synthetic conveyor",
        f"Time to draw a frame, {frames} frames of each size.",
        rounded(found),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
