"""A long stream through random faults: memory, threads, descriptors, ledgers, order of pictures.

    python benchmarks/soak.py [--minutes 30] [--seed N] [--output FILE.json]

A real sender makes 1280x720 at 30 fps. A fault proxy stands before a real receiver and a viewer of
this process: latency, narrow link, stalls, resets, slices and flipped bits come and go by a plan
drawn from the seed. The viewer reads the number burnt into the pixels of every frame that it gets
and compares it with the header, which tells a frame from every other one; other pixels are checked
by the codec's tests, and the receiver process only counts.

Both watch from the first frame on, so that all three must have counted the same frames at the end.
Resident memory, threads and descriptors are sampled once a second. Ends with 1 when a ledger does
not balance or two of them differ, a burnt-in number is not that of the header, an end dies, a kind
of fault never came in a run of 30 minutes, or the median of the last sixth of the run is above that
of the third sixth (minutes 10 to 15 of 30): by over 4 MB of memory, or by one thread or descriptor.
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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from stream import child, free_address, say, send

# The proxy and the checking viewer are those of the tests.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from rankcast.kernels.warm import warm
from rankcast.runtime import stop_flag
from support.faultproxy import FaultProxy
from support.faults import FAULTS, random_plan
from support.viewers import Viewer, WrongPixelsError

SOURCE = "synthetic:conveyor?width=1280&height=720&fps=30"
CALM_S, FAULT_S = 8.0, 4.0
BARS = {"memory_mb": 4.0, "threads": 0.5, "descriptors": 0.5}
"""Growth that is allowed; medians of counts may differ by a half."""
JUDGED = ("sender", "receiver")
"""The viewer of this process keeps what it has seen for the comparison, and grows by that."""
HEAL_S = 15.0
WHOLE_MINUTES = 30.0
"""A run of that length has some 130 spells: each of the six kinds is among them."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process held at a time."""

    at_s: float
    memory_mb: float
    threads: int
    descriptors: int


def take(process: psutil.Process, at_s: float) -> Sample:
    """Look at a process."""
    with process.oneshot():
        memory_mb = process.memory_info().rss / 1e6
        return Sample(at_s, memory_mb, process.num_threads(), process.num_fds())


def growth(samples: list[Sample], what: str) -> float:
    """Median of the last sixth over the median of the third sixth."""
    span = samples[-1].at_s

    def median(start: float, stop: float) -> float:
        return statistics.median(
            getattr(sample, what)
            for sample in samples
            if start * span <= sample.at_s <= stop * span
        )

    return round(median(5 / 6, 1) - median(2 / 6, 3 / 6), 2)


def soak(minutes: float, seed: int, folder: Path) -> dict[str, Any]:
    """Run the plan of `seed`; return what was measured."""
    address = free_address()
    sent, received = folder / "sent.json", folder / "received.json"
    plan = random_plan(seed, minutes * 60 - HEAL_S, CALM_S, FAULT_S)
    samples: dict[str, list[Sample]] = {}
    kinds = Counter(dict.fromkeys(FAULTS, 0))
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
                kinds[event.kind] += 1
            for name, process in watched.items():
                samples[name].append(take(process, at_s))
            if sender.poll() is not None or receiver.poll() is not None:
                raise RuntimeError("an end died")
            time.sleep(1.0)  # the sampling interval
        healed = time.monotonic()
        viewer.wait_for(lambda seen: seen[-1].at > healed, 30)
        counters = proxy.counters()
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
        "growth": {
            name: {what: growth(values, what) for what in BARS} for name, values in samples.items()
        },
        "last": {name: asdict(values[-1]) for name, values in samples.items()},
        "sent": totals,
        "received": report,
        "viewer": {
            "published": balance.entered,
            "checked_frames": balance.passed,
            "lost": dict(balance.lost),
            "balanced": balance.under_way == 0,
        },
    }


def missed(result: dict[str, Any]) -> list[str]:
    """What speaks against a run, a line for each."""
    sent, received, viewer = result["sent"], result["received"], result["viewer"]
    ends = {"sender": sent, "receiver": received, "viewer": viewer}
    lines = [f"the ledger of the {name} is not balanced" for name, end in ends.items()
             if not end["balanced"]]  # fmt: skip
    counts = {name: end["published"] for name, end in ends.items()}
    if len(set(counts.values())) > 1:
        lines.append(f"the ends counted different numbers of published frames: {counts}")
    lines += [
        f"{what} of the {end} grew by {result['growth'][end][what]:g}, the bar is {bar:g}"
        for end in JUDGED
        for what, bar in BARS.items()
        if result["growth"][end][what] > bar
    ]
    never = [kind for kind in FAULTS if not result["events"][kind]]
    if never and result["minutes"] >= WHOLE_MINUTES:
        lines.append(f"no spell of {', '.join(never)}: another seed has them all")
    if any(result["exit_codes"]):
        lines.append(f"exit codes {result['exit_codes']}, want 0 of both ends")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="write the JSON here, not to standard output")
    arguments = parser.parse_args()
    warm(["svd-patch"])
    try:
        with tempfile.TemporaryDirectory() as folder:
            result = soak(arguments.minutes, arguments.seed, Path(folder))
    except WrongPixelsError as exc:
        say(f"FAILED: a wrong picture: {exc}")
        return 1
    viewer, over = result["viewer"], missed(result)
    say(f"{result['sent']['published']} published; the viewer got {viewer['checked_frames']}, and "
        "the number in the pixels of each was that of its header; "
        f"lost {viewer['lost']}")  # fmt: skip
    say(f"spells: {result['events']}; growth: {result['growth']}")
    for line in over:
        say(f"FAILED: {line}")
    text = json.dumps(result, indent=2) + "\n"
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return int(bool(over))


if __name__ == "__main__":
    sys.exit(main())
