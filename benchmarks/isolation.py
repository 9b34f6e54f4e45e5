"""Impact of a stopped viewer on the others: frames, latency, and memory of the sender.

    python benchmarks/isolation.py [--quick] [--output FILE.json]

Eight `rankcast receive` that only count watch 640 x 360 at 30 fps. In every second run one of them
is stopped (SIGSTOP) once all of them watch. Runs with and without a stopped viewer alternate,
three times each. A run takes 60 s (10 s, and once each, with ``--quick``) and another 10 s in which
the stopped viewer comes back and counts what it missed.
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

import psutil
from command_line import finish, option_parser, say
from processes import child, free_address, receiver, sender
from record import Record, Row, at_most, exactly, rounded

VIEWERS: Final = 8
BACK_S: Final = 10.0
"""Time for the stopped viewer to resume and count what it missed."""
SOURCE: Final = "synthetic:conveyor?width=640&height=360&fps=30"
MAX_GROWTH_MS: Final = 5.0
MAX_GROWTH_SHARE: Final = 0.2
"""The p99 latency may grow by this share, or by `MAX_GROWTH_MS` if that is more."""
MAX_MEMORY_MB: Final = 12.0
"""Memory that the allocator may retain; the queue of a stopped viewer holds 4 packets."""


def one_run(seconds: float, stop_one: bool, folder: Path) -> dict[str, Any]:
    """Stream to eight viewers for `seconds`; `stop_one` stops one of them for as long."""
    address = free_address()
    sent = folder / "sent.json"
    reports = [folder / f"received-{number}.json" for number in range(VIEWERS)]
    with ExitStack() as stack:
        station = stack.enter_context(
            child(*sender(address, SOURCE, "--wait-viewers", str(VIEWERS), "--report", str(sent)))
        )
        viewers = [
            stack.enter_context(
                child(*receiver(address, "--timeout", "120", "--set", "stream.mode=keep",
                                "--report", str(report)))
            )
            for report in reports
        ]  # fmt: skip
        watched = psutil.Process(station.pid)
        # The source starts once all viewers watch; only then does the sender use CPU time.
        while watched.cpu_times().user < 0.5 or not _connected(watched):
            if station.poll() is not None:
                raise RuntimeError("the sender ended before all viewers were connected")
            time.sleep(0.2)  # the sampling interval
        if stop_one:
            viewers[-1].send_signal(signal.SIGSTOP)
        memory_mb, until = [], time.monotonic() + seconds
        while time.monotonic() < until:
            memory_mb.append(watched.memory_info().rss / 1e6)
            time.sleep(0.25)  # the sampling interval
        if stop_one:
            viewers[-1].send_signal(signal.SIGCONT)
        time.sleep(BACK_S)  # the time to resume
        station.send_signal(signal.SIGTERM)
        for process in (station, *viewers):
            _wait(process)
    totals = json.loads(sent.read_text())
    received = [json.loads(report.read_text()) for report in reports]
    others = received[:-1]
    return {
        "stopped": stop_one,
        "balanced": totals["balanced"] and all(report["balanced"] for report in received),
        "lost_by_others": sum(sum(report["lost"].values()) for report in others),
        "p99_ms": [report["latency_ms"]["p99"] for report in others],
        # The first quarter fills pools and buffers, whether a viewer is stopped or not.
        "sender_growth_mb": max(memory_mb) - memory_mb[len(memory_mb) // 4],
    }


def _connected(process: psutil.Process) -> bool:
    connections = process.net_connections("tcp")
    peers = [one for one in connections if one.status == psutil.CONN_ESTABLISHED]
    return len(peers) >= VIEWERS


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait(30)


def rows(runs: Sequence[dict[str, Any]]) -> list[Row]:
    """Return the figures of all runs."""
    without, with_one = ([run for run in runs if run["stopped"] is kind] for kind in (False, True))
    before_ms, after_ms = (
        statistics.median(value for run in group for value in run["p99_ms"])
        for group in (without, with_one)
    )
    allowed_ms = round(max(MAX_GROWTH_MS, MAX_GROWTH_SHARE * before_ms), 1)
    return [
        Row(
            "frames lost by the other seven while one is stopped",
            sum(run["lost_by_others"] for run in with_one),
            bar=exactly(0),
        ),
        Row("their p99 latency while none is stopped", before_ms, "ms"),
        Row("its growth while one is stopped", after_ms - before_ms, "ms", at_most(allowed_ms)),
        Row(
            "growth of the sender's memory after the first quarter, one stopped",
            max(run["sender_growth_mb"] for run in with_one),
            "MB",
            at_most(MAX_MEMORY_MB),
        ),
        Row(
            "runs whose ledgers do not balance",
            sum(not run["balanced"] for run in runs),
            bar=exactly(0),
        ),
    ]


def main() -> int:
    """Run with and without a stopped viewer in turn and write the record."""
    options = option_parser(__doc__).parse_args()
    seconds, repetitions = (10.0, 1) if options.quick else (60.0, 3)
    runs: list[dict[str, Any]] = []
    for _ in range(repetitions):
        for stop_one in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                runs.append(one_run(seconds, stop_one, Path(folder)))
            kind = "one stopped" if stop_one else "none stopped"
            say(f"{kind}: p99 {statistics.median(runs[-1]['p99_ms']):.1f} ms")
    record = Record(
        "isolation",
        "A stopped viewer and the others",
        f"Eight viewers of 640 x 360 at 30 fps, one of them stopped for {seconds:.0f} s;"
        f" {repetitions} runs with and without. The p99 latency may grow by 5 ms, or by 20 % where"
        " that is more.",
        rounded(rows(runs)),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
