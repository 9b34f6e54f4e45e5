"""What one hostile viewer of eight costs the other seven: bytes, age of the pictures, losses.

    python benchmarks/hostile_viewer.py [--quick] [--output FILE.json]

Seven `rankcast receive` that only count watch 640 x 360 at 30 fps, alone and beside an eighth
viewer that requests key frames without end, one that joins and leaves without end, and one that
does both and pings. The four runs alternate, twice each, and take 60 s (10 s, and once each, with
``--quick``) from the moment that all seven watch.
"""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from command_line import finish, option_parser, say
from processes import child, free_address, receiver, sender
from record import Record, Row, at_most, exactly, rounded

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.hostile_viewers import ATTACKS, WireCounter, attack

VIEWERS: Final = 7
SOURCE: Final = "synthetic:conveyor?width=640&height=360&fps=30&speed=1"
"""One key frame every 2 s, which nobody is refused, is a fifth of this stream."""
SETTLE_S: Final = 3.0
"""The key frames with which the seven join are over by then."""
START_S: Final = 60.0
MOST_BYTES: Final = 1.3
"""The others may get this many times the bytes."""
MOST_GROWTH_SHARE: Final = 0.2
MOST_GROWTH_MS: Final = 5.0
"""The p99 age may grow by this share, or by `MOST_GROWTH_MS` if that is more."""
ALONE: Final = "alone"
KINDS: Final = (ALONE, *ATTACKS)


def one_run(seconds: float, kind: str, folder: Path) -> dict[str, Any]:
    """Stream to the seven for `seconds`, alone or beside an attack."""
    address = free_address()
    sent = folder / "sent.json"
    reports = [folder / f"received-{number}.json" for number in range(VIEWERS)]
    with ExitStack() as stack:
        station = stack.enter_context(
            child(*sender(address, SOURCE, "--wait-viewers", str(VIEWERS), "--report", str(sent)))
        )
        seven = [
            stack.enter_context(
                child(*receiver(address, "--timeout", "120", "--set", "stream.mode=keep",
                                "--report", str(report)))
            )
            for report in reports
        ]  # fmt: skip
        with WireCounter(address) as counter:
            _wait_frames(counter, station)
            time.sleep(SETTLE_S)  # the key frames of the viewers that joined
            hostile = stack.enter_context(attack(address, kind)) if kind != ALONE else []
            frames, status_bytes = len(counter.sizes), counter.status_bytes
            time.sleep(seconds)  # the measurement
            sizes, status_bytes = counter.sizes[frames:], counter.status_bytes - status_bytes
            measured = {
                # Per frame, because a busy machine may draw fewer of them.
                "frame_bytes": (sum(sizes) + status_bytes) / len(sizes),
                "status_share": status_bytes / (sum(sizes) + status_bytes),
                "fps": len(sizes) / seconds,
                "hostile_messages": sum(viewer.sent for viewer in hostile),
            }
        station.send_signal(signal.SIGTERM)
        for process in (station, *seven):
            _wait(process)
    totals = json.loads(sent.read_text())
    received = [json.loads(report.read_text()) for report in reports]
    return measured | {
        "kind": kind,
        "balanced": totals["balanced"] and all(report["balanced"] for report in received),
        "lost": sum(sum(report["lost"].values()) for report in received),
        "age_p99_ms": [report["age_ms"]["p99"] for report in received],
    }


def _now_s() -> float:
    return time.monotonic()


def _wait_frames(counter: WireCounter, station: subprocess.Popen[bytes]) -> None:
    until_s = _now_s() + START_S
    while not counter.sizes:
        if station.poll() is not None or _now_s() > until_s:
            raise RuntimeError("the sender sent no frame")
        time.sleep(0.1)  # the sampling interval


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait(30)


def rows(runs: Sequence[dict[str, Any]]) -> list[Row]:
    """Return the figures of all runs."""

    def median(kind: str, name: str) -> float:
        return statistics.median(run[name] for run in runs if run["kind"] == kind)

    def age_ms(kind: str) -> float:
        return statistics.median(
            age for run in runs if run["kind"] == kind for age in run["age_p99_ms"]
        )

    alone_ms = age_ms(ALONE)
    allowed_ms = round(max(MOST_GROWTH_MS, MOST_GROWTH_SHARE * alone_ms), 1)
    found = [
        Row("bytes per frame, alone", median(ALONE, "frame_bytes"), "B"),
        Row("p99 age of the pictures, alone", alone_ms, "ms"),
    ]
    for kind in ATTACKS:
        beside = f"beside a viewer of endless {kind}" if kind != "everything" else "beside both"
        found += [
            Row(
                f"bytes of each of the seven {beside}",
                ratio=median(kind, "frame_bytes") / median(ALONE, "frame_bytes"),
                peer="seven alone",
                bar=at_most(MOST_BYTES),
            ),
            Row(f"growth of their p99 age {beside}", age_ms(kind) - alone_ms, "ms",
                at_most(allowed_ms)),
        ]  # fmt: skip
    hostile = [run for run in runs if run["kind"] != ALONE]
    return [
        *found,
        Row("frames that the seven lost", sum(run["lost"] for run in hostile), bar=exactly(0)),
        Row(
            "runs whose ledgers do not balance",
            sum(not run["balanced"] for run in runs),
            bar=exactly(0),
        ),
    ]


def main() -> int:
    """Run alone and beside each attack in turn, and write the record."""
    options = option_parser(__doc__).parse_args()
    seconds, repetitions = (10.0, 1) if options.quick else (60.0, 2)
    runs: list[dict[str, Any]] = []
    for _ in range(repetitions):
        for kind in KINDS:
            with tempfile.TemporaryDirectory() as folder:
                runs.append(one_run(seconds, kind, Path(folder)))
            last = runs[-1]
            say(
                f"{kind}: {last['frame_bytes']:.0f} bytes a frame, {last['status_share']:.0%} of "
                f"them status, {last['fps']:.1f} fps, p99 age "
                f"{statistics.median(last['age_p99_ms']):.1f} ms, {last['lost']} lost, "
                f"{last['hostile_messages']} hostile messages"
            )
    record = Record(
        "hostile-viewer",
        "A hostile viewer and the others",
        "Seven viewers of 640 x 360 at 30 fps, alone and beside an eighth that requests key frames,"
        f" joins and leaves, or does both and pings, 50 times a second each, for {seconds:.0f} s;"
        f" {repetitions} {'runs' if repetitions > 1 else 'run'} each. Bytes are those of frames and"
        " status. The p99 age may grow by 5 ms, or by 20 % where that is more.",
        rounded(rows(runs)),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
