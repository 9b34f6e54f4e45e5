"""A long stream through random faults: memory, threads, descriptors, ledgers, order of pictures.

    python benchmarks/soak.py [--minutes 30] [--seed N] [--quick] [--output FILE.json]

A real sender streams 1280 x 720 at 30 fps through a fault proxy to a real receiver and to a viewer
in this process. Latency, a narrow link, stalls, resets, slices and flipped bits come and go by a
plan drawn from the seed. The viewer compares the number in the pixels of every frame with the
number in its header, which distinguishes any two frames; other pixels are left to the tests of the
codecs, and the receiver process only counts.

Both watch from the first frame, so all three must count the same frames in the end. Resident
memory, threads and descriptors are sampled once a second; growth is the median of the last sixth of
the run minus that of the third sixth (minutes 10 to 15 of 30). ``--quick`` runs two minutes.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psutil
from command_line import finish, option_parser, say
from processes import child, free_address, receiver, sender
from record import Record, Row, at_most, exactly, rounded

# The proxy and the checking viewer belong to the tests.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from rankcast.runtime import stop_flag
from support.faultproxy import FaultProxy
from support.faults import FAULTS, random_plan
from support.viewers import Viewer, WrongPixelsError

SOURCE: Final = "synthetic:conveyor?width=1280&height=720&fps=30"
CALM_S: Final = 8.0
FAULT_S: Final = 4.0
MAX_GROWTH: Final = {"memory_mb": 4.0, "threads": 0.5, "descriptors": 0.5}
"""Growth allowed for counts, because medians may differ by one half."""
JUDGED: Final = ("sender", "receiver")
"""The viewer in this process stores frame numbers for the comparison, and grows accordingly."""
HEAL_S: Final = 15.0
WHOLE_MINUTES: Final = 30.0
"""A run of this length has about 130 fault periods, among which all six kinds occur."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Resources of a process at one moment."""

    at_s: float
    memory_mb: float
    threads: int
    descriptors: int


def take(process: psutil.Process, at_s: float) -> Sample:
    """Take a sample of `process`."""
    with process.oneshot():
        memory_mb = process.memory_info().rss / 1e6
        return Sample(at_s, memory_mb, process.num_threads(), process.num_fds())


def growth(samples: list[Sample], what: str) -> float:
    """Return the median of the last sixth minus that of the third sixth."""
    span = samples[-1].at_s

    def median(start: float, stop: float) -> float:
        return statistics.median(
            getattr(sample, what)
            for sample in samples
            if start * span <= sample.at_s <= stop * span
        )

    return round(median(5 / 6, 1) - median(2 / 6, 3 / 6), 2)


def soak(minutes: float, seed: int, folder: Path) -> dict[str, Any]:
    """Run the plan of `seed` and return what was measured."""
    address = free_address()
    sent, received = folder / "sent.json", folder / "received.json"
    plan = random_plan(seed, minutes * 60 - HEAL_S, CALM_S, FAULT_S)
    samples: dict[str, list[Sample]] = {}
    kinds = Counter(dict.fromkeys(FAULTS, 0))
    with (
        child(*sender(address, SOURCE, "--wait-viewers", "2", "--report", str(sent))) as station,
        FaultProxy(address, seed=seed) as proxy,
        child(*receiver(proxy.address, "--report", str(received))) as watcher,
        Viewer(proxy.address) as viewer,
        stop_flag() as flag,
    ):  # fmt: skip
        viewer.wait_more(1, 120)
        ends = {"sender": station.pid, "receiver": watcher.pid, "viewer": os.getpid()}
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
            if station.poll() is not None or watcher.poll() is not None:
                raise RuntimeError("a process ended before the soak did")
            time.sleep(1.0)  # the sampling interval
        healed = time.monotonic()
        viewer.wait_for(lambda seen: seen[-1].at > healed, 30)
        counters = proxy.counters()
        station.send_signal(signal.SIGTERM)
        codes = station.wait(30), watcher.wait(60)
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
            name: {what: growth(values, what) for what in MAX_GROWTH}
            for name, values in samples.items()
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


def rows(result: Mapping[str, Any]) -> list[Row]:
    """Return the figures of one soak."""
    ends = {name: result[name] for name in ("sent", "received", "viewer")}
    counts = [end["published"] for end in ends.values()]
    unbalanced = sum(not end["balanced"] for end in ends.values())
    spells = {kind: result["events"][kind] for kind in FAULTS}
    units = {"memory_mb": "MB", "threads": "", "descriptors": ""}
    found = [
        Row("frames published", result["sent"]["published"]),
        Row("frames whose pixels and header name different numbers", 0, bar=exactly(0)),
        Row("ledgers that do not balance", unbalanced, bar=exactly(0)),
        Row("difference between the counts of published frames", max(counts) - min(counts),
            bar=exactly(0)),
        Row("processes that ended with an error", sum(map(bool, result["exit_codes"])),
            bar=exactly(0)),
        *(
            Row(f"growth of the {end}: {what.removesuffix('_mb')}", result["growth"][end][what],
                units[what], at_most(limit))
            for end in JUDGED
            for what, limit in MAX_GROWTH.items()
        ),
        Row("spells of faults", sum(spells.values())),
    ]  # fmt: skip
    if result["minutes"] >= WHOLE_MINUTES:
        # Only then is every kind certain to occur.
        absent = sum(not count for count in spells.values())
        found.append(Row("kinds of faults that never occurred", absent, bar=exactly(0)))
    return found


def main() -> int:
    """Soak and write the record."""
    parser = option_parser(__doc__)
    parser.add_argument("--minutes", type=float, default=WHOLE_MINUTES)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    minutes = 2.0 if options.quick else options.minutes
    try:
        with tempfile.TemporaryDirectory() as folder:
            result = soak(minutes, options.seed, Path(folder))
    except WrongPixelsError as exc:
        say(f"FAILED: a frame whose pixels belong to another header: {exc}")
        return 1
    say(f"spells: {result['events']}; lost by the viewer: {result['viewer']['lost']}")
    record = Record(
        "soak",
        "A long stream through faults",
        f"{minutes:g} minutes of 1280 x 720 at 30 fps through spells of latency, narrow links,"
        f" stalls, resets, slices and flipped bits drawn from seed {options.seed}.",
        rounded(rows(result)),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
