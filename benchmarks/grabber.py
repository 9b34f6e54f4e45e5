"""What the grabber process costs: processor time and delay of the hand-over of a frame.

    python benchmarks/grabber.py [--quick] [--output FILE.json]

The device costs nothing, so that all time of both processes is that of the hand-over: copying the
frame into shared memory, announcing it, copying it out, and looking whether it differs from the
one before. The delay is what a camera's pictures are later than if the sender read it itself.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import psutil
from command_line import finish, option_parser, say
from record import Record, Row, at_most, exactly, rounded

from rankcast.boot_clock import boot_ns
from rankcast_sender.grabber import DeviceOptions, DeviceSource, DeviceSpec

MAX_CPU_MS: Final = 2.0
MAX_DELAY_MS: Final = 2.0
WARM_UP: Final = 30
"""Frames before memory and caches are as they stay."""
HD: Final = "1920 x 1080 x 3"
SIZES: Final[Mapping[str, Mapping[str, Any]]] = {
    "1280 x 720 x 3": {"width": 1280, "height": 720, "channels": 3, "sample_bytes": 1, "fps": 30},
    HD: {"width": 1920, "height": 1080, "channels": 3, "sample_bytes": 1, "fps": 30},
    "2448 x 2048, 12 bits": {
        "width": 2448, "height": 2048, "channels": 1, "sample_bytes": 2, "fps": 20,
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """The hand-over of many frames."""

    cpu_ms: float
    """Processor time of both processes, a frame."""
    delays_ms: list[float]
    torn: int
    unaccounted: int
    replaced: int


def _used_s(child: psutil.Process) -> float:
    times = child.cpu_times()
    return time.process_time() + times.user + times.system


def measure(size: Mapping[str, Any], frames: int) -> Measured:
    """Hand over `frames` frames of one size."""
    source = DeviceSource(DeviceSpec("paced_device", "paced", size), DeviceOptions())
    source.open()
    try:
        child, stream = psutil.Process(source.pid), iter(source)
        first = [next(stream) for _ in range(WARM_UP)][-1]
        before_s, replaced, delays_ms = _used_s(child), source.replaced, []
        kept = []
        for frame in islice(stream, frames):
            delays_ms.append((boot_ns() - frame.t_capture_mono_ns) / 1e6)
            kept.append(frame.frame)
        used_s = _used_s(child) - before_s
        torn = sum(frame.pixels.min() != frame.pixels.max() for frame in islice(stream, frames))
        missing = kept[-1] - first.frame - frames - (source.replaced - replaced)
        return Measured(1e3 * used_s / frames, delays_ms, torn, max(0, missing), source.replaced)
    finally:
        source.close()


def rows(name: str, found: Measured) -> list[Row]:
    """Return the figures of one size."""
    delay_ms = statistics.median(found.delays_ms)
    return [
        Row(f"{name}: processor time of a frame", found.cpu_ms, "ms",
            at_most(MAX_CPU_MS) if name == HD else None),
        Row(f"{name}: delay, median", delay_ms, "ms",
            at_most(MAX_DELAY_MS) if name.startswith("1280") else None),
        Row(f"{name}: delay, 99th percentile", statistics.quantiles(found.delays_ms, n=100)[-1],
            "ms"),
        Row(f"{name}: torn frames", found.torn, bar=exactly(0)),
        Row(f"{name}: frames unaccounted for", found.unaccounted, bar=exactly(0)),
    ]  # fmt: skip


def main() -> int:
    """Measure all sizes and write the record."""
    options = option_parser(__doc__).parse_args()
    frames = 100 if options.quick else 600
    found = []
    for name, size in SIZES.items():
        measured = measure(size, frames)
        say(f"{name}: {measured.cpu_ms:.2f} ms, {statistics.median(measured.delays_ms):.2f} ms")
        found += rows(name, measured)
    record = Record(
        "grabber",
        "The grabber process",
        f"Hand-over of {frames} frames from the process that reads a camera, at 30 or 20 fps: time"
        " of both processes together, and from the end of the read to the frame in the sender.",
        rounded(found),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
