"""Latency from capture to decoded picture over loopback, with and without a codec.

    python benchmarks/latency.py [--quick] [--output FILE.json]

One real sender and one real receiver, 1280 x 720 at 30 fps. The codecs take turns, three times
each: svd-patch, the default, whose figures have bars; jpeg for comparison; and raw, which only
grabs, copies and sends. A run takes 20 s (5 s, and once each, with ``--quick``).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from command_line import finish, option_parser, say
from processes import child, free_address, receiver, sender
from record import Record, Row, at_most, exactly, rounded

FPS: Final = 30
SOURCE: Final = f"synthetic:conveyor?width=1280&height=720&fps={FPS}"
CODECS: Final = ("svd-patch", "jpeg", "raw")
BARS: Final = {
    "svd-patch, median": at_most(25),
    "svd-patch, 99th percentile": at_most(60),
}


def one_run(codec: str, seconds: float, folder: Path) -> dict[str, Any]:
    """Measure latency and losses of one stream of `seconds`."""
    address = free_address()
    sent, received = folder / "sent.json", folder / "received.json"
    with (
        child(*receiver(address, "--timeout", "60", "--report", str(received))) as viewer,
        child(*sender(address, SOURCE, "--codec", codec, "--frames", str(round(seconds * FPS)),
                      "--wait-viewers", "1", "--report", str(sent))) as station,
    ):  # fmt: skip
        for process in (station, viewer):
            if process.wait(seconds + 120):
                raise subprocess.CalledProcessError(process.returncode, process.args)
    totals, report = json.loads(sent.read_text()), json.loads(received.read_text())
    return {
        "codec": codec,
        "median_ms": report["latency_ms"]["p50"],
        "p99_ms": report["latency_ms"]["p99"],
        "frame_bytes": report["bytes_per_frame"],
        "lost": sum(totals["lost"].values()) + sum(report["lost"].values()),
        "balanced": totals["balanced"] and report["balanced"],
    }


def rows(runs: Sequence[dict[str, Any]]) -> list[Row]:
    """Return the figures of all runs."""
    found = []
    for codec in CODECS:
        group = [run for run in runs if run["codec"] == codec]
        for what, key in (("median", "median_ms"), ("99th percentile", "p99_ms")):
            name = f"{codec}, {what}"
            value = statistics.median(run[key] for run in group)
            found.append(Row(name, value, "ms", BARS.get(name)))
        kilobytes = statistics.median(run["frame_bytes"] for run in group) / 1e3
        found.append(Row(f"{codec}, size of a frame", kilobytes, "kB"))
        found.append(Row(f"{codec}, frames lost", sum(run["lost"] for run in group)))
    unbalanced = sum(not run["balanced"] for run in runs)
    return [*found, Row("runs whose ledgers do not balance", unbalanced, bar=exactly(0))]


def main() -> int:
    """Run every codec in turn and write the record."""
    options = option_parser(__doc__).parse_args()
    seconds, repetitions = (5.0, 1) if options.quick else (20.0, 3)
    runs: list[dict[str, Any]] = []
    for _ in range(repetitions):
        for codec in CODECS:
            with tempfile.TemporaryDirectory() as folder:
                runs.append(one_run(codec, seconds, Path(folder)))
            say(f"{codec}: {runs[-1]['median_ms']:.1f} / {runs[-1]['p99_ms']:.1f} ms")
    record = Record(
        "latency",
        "Latency",
        f"From capture to decoded picture, 1280 x 720 at {FPS} fps over loopback, by the default"
        " codec, by jpeg, and by raw, which only grabs, copies and sends: medians of"
        f" {repetitions} runs of {seconds:.0f} s each, in turn.",
        rounded(rows(runs)),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
