"""Latency from capture to decoded over loopback, and what the path costs without a codec.

    python benchmarks/latency.py [--short] [--output FILE.json]

One real sender and one real receiver, 1280x720 at 30 fps. The codecs take turns, three times each:
svd-patch, whose figure is claimed, jpeg beside it, and raw, which is grabbing, copying and sending
alone. A run is 20 s (5 s and once each with --short). Ends with 1 when a bar is missed or a ledger
does not balance.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from stream import child, free_address, say, send

FPS = 30
SOURCE = f"synthetic:conveyor?width=1280&height=720&fps={FPS}"
CODECS = ("svd-patch", "jpeg", "raw")
BARS = {"svd-patch, p50, ms": 25.0, "svd-patch, p99, ms": 60.0}
"""At most."""


def one_run(codec: str, seconds: float, folder: Path) -> dict[str, Any]:
    """Latency and losses of one stream of `seconds`."""
    address = free_address()
    sent, received = folder / "sent.json", folder / "received.json"
    with (
        child("rankcast_receiver", "--connect", address, "--timeout", "60", "--report",
              str(received)) as receiver,
        child(*send(address, SOURCE, "--codec", codec, "--frames", str(round(seconds * FPS)),
                    "--wait-viewers", "1", "--report", str(sent))) as sender,
    ):  # fmt: skip
        for process in (sender, receiver):
            if process.wait(seconds + 120):
                raise subprocess.CalledProcessError(process.returncode, process.args)
    totals, report = json.loads(sent.read_text()), json.loads(received.read_text())
    return {
        "codec": codec,
        "p50_ms": report["latency_ms"]["p50"],
        "p99_ms": report["latency_ms"]["p99"],
        "published": totals["published"],
        "delivered": report["delivered"],
        "lost_by_sender": totals["lost"],
        "lost_by_receiver": report["lost"],
        "balanced": totals["balanced"] and report["balanced"],
        "bytes_per_frame": report["bytes_per_frame"],
        "sender_cpu_s": totals["cpu_s"],
        "receiver_cpu_s": report["cpu_s"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="short runs, to see that it works")
    parser.add_argument("--output", type=Path, help="write the JSON here, not to standard output")
    arguments = parser.parse_args()
    seconds, repetitions = (5.0, 1) if arguments.short else (20.0, 3)
    runs: list[dict[str, Any]] = []
    for _ in range(repetitions):
        for codec in CODECS:
            with tempfile.TemporaryDirectory() as folder:
                runs.append(one_run(codec, seconds, Path(folder)))
    say(f"{'codec':<12}{'p50 ms':>10}{'p99 ms':>10}{'kB/frame':>10}{'lost':>8}  balanced")
    medians: dict[str, tuple[float, float]] = {}
    for codec in CODECS:
        group = [run for run in runs if run["codec"] == codec]
        p50, p99 = (statistics.median(run[key] for run in group) for key in ("p50_ms", "p99_ms"))
        medians[codec] = p50, p99
        lost = sum(
            sum(run[end].values())
            for run in group
            for end in ("lost_by_sender", "lost_by_receiver")
        )
        say(
            f"{codec:<12}{p50:>10.1f}{p99:>10.1f}{group[0]['bytes_per_frame'] / 1e3:>10.1f}"
            f"{lost:>8}  {all(run['balanced'] for run in group)}"
        )
    figures = {
        name: round(value, 1) for name, value in zip(BARS, medians["svd-patch"], strict=True)
    }
    for name, value in figures.items():
        say(f"{name:<30}{value:>10}{f'<= {BARS[name]:g}':>10}")
    balanced = all(run["balanced"] for run in runs)
    over = [name for name, value in figures.items() if value > BARS[name]]
    for name in over:
        say(f"FAILED: {name}: {figures[name]}, the bar is {BARS[name]:g}")
    text = json.dumps({"figures": figures, "bars": BARS, "runs": runs}, indent=2) + "\n"
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0 if balanced and not over else 1


if __name__ == "__main__":
    sys.exit(main())
