"""A long stream through random faults: memory, balance of the ledgers, pixels of every frame.

    python benchmarks/soak.py [--minutes 30] [--seed N] [--output FILE.json]

A real sender makes 1280x720 at 30 fps. A fault proxy stands before a real receiver and a viewer of
this process, which reads the number burnt into the pixels of every frame: latency, narrow link,
stalls, resets, slices and flipped bits come and go by a plan drawn from the seed. Resident memory
is sampled once a second. Ends with 1 when a ledger does not balance, a pixel is wrong, or the
median of the last sixth of the run is over 4 MB above that of the third sixth (minutes 10 to 15 of
30).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
from stream import child, free_address, say, send

# The proxy and the checking viewer are those of the tests.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from faultproxy import FaultProxy
from faults import random_plan
from rankcast.signals import stop_flag
from rankcast.warm import warm
from viewers import Viewer

SOURCE = "synthetic:conveyor?width=1280&height=720&fps=30"
CALM_S, FAULT_S = 8.0, 4.0
MAX_GROWTH_MB = 4.0
HEAL_S = 15.0


def growth_mb(samples: list[tuple[float, float]]) -> float:
    """Median of the last sixth over the median of the third sixth."""
    span = samples[-1][0]

    def median(start: float, stop: float) -> float:
        return statistics.median(
            memory for at, memory in samples if start * span <= at <= stop * span
        )

    return median(5 / 6, 1) - median(2 / 6, 3 / 6)


def soak(minutes: float, seed: int, folder: Path) -> dict[str, Any]:
    """Run the plan of `seed`; return what was measured."""
    address = free_address()
    sent, received = folder / "sent.json", folder / "received.json"
    plan = random_plan(seed, minutes * 60 - HEAL_S, CALM_S, FAULT_S)
    samples: dict[str, list[tuple[float, float]]] = {}
    kinds: Counter[str] = Counter()
    with (
        child(*send(address, SOURCE, "--wait-viewers", "2", "--report", str(sent))) as sender,
        FaultProxy(address, seed=seed) as proxy,
        child("rankcast_receiver", "--connect", proxy.address, "--report",
              str(received)) as receiver,
        Viewer(proxy.address) as viewer,
        stop_flag() as flag,
    ):  # fmt: skip
        viewer.wait_more(1, 120)
        ends = {"sender": sender.pid, "receiver": receiver.pid, "viewer": os.getpid()}
        watched = {name: psutil.Process(pid) for name, pid in ends.items()}
        samples = {name: [] for name in ends}
        started = time.monotonic()
        steps = list(plan)
        while (at_s := time.monotonic() - started) < minutes * 60 and not flag.requested:
            while steps and steps[0].at_s <= at_s:
                event = steps.pop(0)
                proxy.apply(event)
                kinds["stall" if event.stalled else "reset" if event.reset else "other"] += 1
            for name, process in watched.items():
                samples[name].append((at_s, process.memory_info().rss / 1e6))
            if sender.poll() is not None or receiver.poll() is not None:
                raise RuntimeError("an end died")
            time.sleep(1.0)  # the sampling interval
        healed = time.monotonic()
        viewer.wait_for(lambda seen: seen[-1].at > healed, 30)
        counters = proxy.counters()
        resources = {
            name: {"threads": process.num_threads(), "descriptors": process.num_fds()}
            for name, process in watched.items()
        }
        sender.send_signal(signal.SIGTERM)
        codes = sender.wait(30), receiver.wait(60)
        balance = viewer.finish(60)
    totals, report = json.loads(sent.read_text()), json.loads(received.read_text())
    return {
        "minutes": minutes,
        "seed": seed,
        "exit_codes": codes,
        "plan_events": len(plan),
        "events": dict(kinds),
        "flipped_bits": len(counters.flips),
        "connections": counters.connections,
        "resources": resources,
        "growth_mb": {name: round(growth_mb(values), 2) for name, values in samples.items()},
        "memory_mb": {name: values[-1][1] for name, values in samples.items()},
        "sent": totals,
        "received": report,
        "viewer": {
            "published": balance.entered,
            "checked_frames": balance.passed,
            "lost": dict(balance.lost),
            "balanced": balance.under_way == 0,
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="write the JSON here, not to standard output")
    arguments = parser.parse_args()
    warm(["svd-patch"])
    with tempfile.TemporaryDirectory() as folder:
        result = soak(arguments.minutes, arguments.seed, Path(folder))
    viewer = result["viewer"]
    balanced = result["sent"]["balanced"] and result["received"]["balanced"] and viewer["balanced"]
    # A viewer of this process also keeps what it has seen for the comparison: its own memory
    # grows by that and is shown, not judged.
    worst = max(result["growth_mb"][end] for end in ("sender", "receiver"))
    say(f"{result['sent']['published']} published, {viewer['checked_frames']} frames checked, "
        f"lost {viewer['lost']}; wrong pixels: 0")  # fmt: skip
    say(f"memory growth MB: {result['growth_mb']} (bar {MAX_GROWTH_MB:g}); "
        f"ledgers balanced: {balanced}")  # fmt: skip
    text = json.dumps(result, indent=2) + "\n"
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0 if balanced and worst <= MAX_GROWTH_MB and result["exit_codes"] == (0, 0) else 1


if __name__ == "__main__":
    sys.exit(main())
