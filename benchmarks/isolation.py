"""What a stopped viewer costs the others: frames, latency, and memory of the sender.

    python benchmarks/isolation.py [--short] [--output FILE.json]

Eight `rankcast receive` that only count watch 640x360 at 30 fps. In every second run one of them is
stopped (SIGSTOP) once all of them watch. Runs with and without alternate, three times each, and a
run is 60 s long (10 s and once each with --short), and 10 s in which the stopped one comes back and
counts what it missed. Latency is the 99th percentile from capture to
decoded of each of the seven others. Ends with 1 when a bar is missed or a ledger does not balance.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
from stream import child, free_address, say, send

VIEWERS = 8
BACK_S = 10.0
"""What the stopped viewer has to come back in: then it must know what it missed."""
SOURCE = "synthetic:conveyor?width=640&height=360&fps=30"
BARS = {
    "frames lost by the other seven, all runs with": "0",
    "growth of their p99 latency, ms": "<= 5 or 20 %",
    "growth of their p99 latency, %": "<= 5 ms or 20",
    "growth of the sender after a quarter of a run, one stopped, MB": "<= 12",
}
"""The last is what the allocator may keep; the queue of one stopped viewer is 4 packets."""


def one_run(seconds: float, stop_one: bool, folder: Path) -> dict[str, Any]:
    """Stream to eight viewers for `seconds`, one of them stopped for as long or not."""
    address = free_address()
    sent = folder / "sent.json"
    reports = [folder / f"received-{number}.json" for number in range(VIEWERS)]
    with ExitStack() as stack:
        sender = stack.enter_context(
            child(*send(address, SOURCE, "--wait-viewers", str(VIEWERS), "--report", str(sent)))
        )
        viewers = [
            stack.enter_context(
                child("rankcast_receiver", "--connect", address, "--timeout", "120",
                      "--set", "stream.mode=keep", "--report", str(report))
            )
            for report in reports
        ]  # fmt: skip
        watched = psutil.Process(sender.pid)
        # The source starts when all watch: then the processor time of the sender grows.
        while watched.cpu_times().user < 0.5 or not _connected(watched):
            if sender.poll() is not None:
                raise RuntimeError("the sender ended")
            time.sleep(0.2)  # the sampling interval
        if stop_one:
            viewers[-1].send_signal(signal.SIGSTOP)
        memory_mb, until = [], time.monotonic() + seconds
        while time.monotonic() < until:
            memory_mb.append(watched.memory_info().rss / 1e6)
            time.sleep(0.25)  # the sampling interval
        if stop_one:
            viewers[-1].send_signal(signal.SIGCONT)
        time.sleep(BACK_S)  # the span that is given
        sender.send_signal(signal.SIGTERM)
        for process in (sender, *viewers):
            _end(process)
    totals = json.loads(sent.read_text())
    received = [json.loads(report.read_text()) for report in reports]
    others = received[:-1]
    return {
        "stopped": stop_one,
        "published": totals["published"],
        "mailbox": totals["lost"].get("mailbox", 0),
        "balanced": totals["balanced"] and all(report["balanced"] for report in received),
        "lost_by_others": sum(sum(report["lost"].values()) for report in others),
        "lost_by_last": sum(received[-1]["lost"].values()),
        "p50_ms": [report["latency_ms"]["p50"] for report in others],
        "p99_ms": [report["latency_ms"]["p99"] for report in others],
        # The first quarter fills pools and buffers, with and without.
        "sender_growth_mb": max(memory_mb) - memory_mb[len(memory_mb) // 4],
    }


def _connected(process: psutil.Process) -> bool:
    peers = [
        connection for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_ESTABLISHED
    ]  # fmt: skip
    return len(peers) >= VIEWERS


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait(30)


def missed(lost: float, growth_ms: float, growth_percent: float, growth_mb: float) -> list[str]:
    """The figures that are not within their bars, in the order of `BARS`."""
    late = growth_ms > 5 and growth_percent > 20
    return [
        name
        for name, over in zip(BARS, (lost > 0, late, late, growth_mb > 12), strict=True)
        if over
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="short runs, to see that it works")
    parser.add_argument("--output", type=Path, help="write the JSON here, not to standard output")
    arguments = parser.parse_args()
    seconds, repetitions = (10.0, 1) if arguments.short else (60.0, 3)
    runs: list[dict[str, Any]] = []
    for _ in range(repetitions):
        for stop_one in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                runs.append(one_run(seconds, stop_one, Path(folder)))
            run = runs[-1]
            say(
                f"{'one stopped' if stop_one else 'none stopped':<14}p99 "
                f"{statistics.median(run['p99_ms']):.1f} ms, others lost {run['lost_by_others']} "
                f"of {run['published']}, sender grew {run['sender_growth_mb']:.1f} MB"
            )
    without, with_one = ([run for run in runs if run["stopped"] is kind] for kind in (False, True))
    p99 = [
        statistics.median(value for run in group for value in run["p99_ms"])
        for group in (without, with_one)
    ]
    figures = dict(
        zip(
            BARS,
            (
                sum(run["lost_by_others"] for run in with_one),
                round(p99[1] - p99[0], 2),
                round(100 * (p99[1] / p99[0] - 1), 1),
                round(max(run["sender_growth_mb"] for run in with_one), 1),
            ),
            strict=True,
        )
    )
    say(f"\n{'figure':<64}{'measured':>10}{'bar':>16}")
    for name, value in figures.items():
        say(f"{name:<64}{value:>10}{BARS[name]:>16}")
    balanced, over = all(run["balanced"] for run in runs), missed(*figures.values())
    say(f"p99 without {p99[0]:.1f} ms, with {p99[1]:.1f} ms; all ledgers balanced: {balanced}")
    for name in over:
        say(f"FAILED: {name}: {figures[name]}, the bar is {BARS[name]}")
    detail = {"seconds": seconds, "runs": runs}
    text = json.dumps({"figures": figures, "bars": BARS, "detail": detail}, indent=2) + "\n"
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0 if balanced and not over else 1


if __name__ == "__main__":
    sys.exit(main())
