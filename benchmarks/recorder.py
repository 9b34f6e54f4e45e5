"""What recording costs: processor time of a frame, and frames of the live view.

    python benchmarks/recorder.py [--quick] [--output FILE.json]

The packets are those of the conveyor at 1280 x 720, 30 fps. In one process a sink records them as a
receiver does, and processor time is taken around it. Then two receivers watch one sender live; one
of them records, in turn with a run in which none does.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from command_line import finish, option_parser, say
from processes import child, free_address, receiver, sender
from record import Record, Row, at_most, exactly, rounded

import rankcast
from rankcast.recorder import AnyRecorder, Triggers, open_recorder
from rankcast.settings import RecordTable
from rankcast.wire import Packet, unpack

MAX_CPU_MS: Final = 1.5
"""Processor time of recording one frame of 720p."""
SOURCE: Final = "synthetic:conveyor?width=1280&height=720&fps=30"
START_S: Final = 60.0
SECOND: Final = 30
"""Frames a second."""
WARM_FRAMES: Final = 2 * SECOND
"""A live view skips frames while its decoder starts, whether anybody records or not."""
STATUS: Final = re.compile(r"received (\d+), lost ([^;\n]*)")


def packets(count: int) -> list[tuple[bytes, Packet]]:
    """Return the packets of a picture that moves, with a key frame every ten seconds."""
    random = np.random.default_rng(1)
    ground = random.integers(0, 200, (720, 1280, 3), dtype=np.uint8) // 8 + 60
    encoder, made = rankcast.Encoder(), []
    for number in range(count):
        noise = random.integers(0, 33, ground.shape, dtype=np.uint8)
        picture = np.roll(ground, 3 * number, axis=1) + noise
        if number % (10 * SECOND) == 0:
            encoder.request_keyframe()
        data = encoder.encode(picture)
        made.append((data, unpack(data)))
    return made


def processor_ms(recorder: AnyRecorder, made: Sequence[tuple[bytes, Packet]]) -> list[float]:
    """Record the packets one by one; return the processor time of each, in ms."""
    took_ms = []
    for data, packet in made:
        began_ns = time.thread_time_ns()
        recorder.put("cam", data, packet)
        recorder.idle()
        took_ms.append((time.thread_time_ns() - began_ns) / 1e6)
    return took_ms


def in_process(frames: int, folder: Path) -> dict[str, float]:
    """Return the processor time of a frame, recorded all the time and kept for an event."""
    made = packets(min(frames, 2 * SECOND))
    made = (made * (frames // len(made) + 1))[:frames]
    whole = open_recorder(RecordTable(file=str(folder / "a.mcap")), Triggers(), lambda *_: None)
    whole_ms = processor_ms(whole, made)
    whole.close()
    events = open_recorder(
        RecordTable(file=str(folder / "e.mcap"), pre_s=10.0, post_s=5.0),
        Triggers(),
        lambda *_: None,
    )
    ring_ms = processor_ms(events, made)
    events.close()
    return {
        "mean_ms": statistics.fmean(whole_ms),
        "p99_ms": sorted(whole_ms)[int(0.99 * len(whole_ms))],
        "ring_ms": statistics.fmean(ring_ms),
        "packet_bytes": statistics.fmean(len(data) for data, _ in made),
    }


def lost_at_start(log: str) -> int:
    """Return the frames that a receiver had lost when it had received `WARM_FRAMES`."""
    for received, lost in STATUS.findall(log):
        if int(received) >= WARM_FRAMES:
            return sum(map(int, re.findall(r"\d+", lost)))
    return 0


def live(seconds: float, record: bool, folder: Path) -> dict[str, Any]:
    """Watch a sender live with two receivers, of which one may record."""
    address = free_address()
    log = folder / "view.log"
    reports = [folder / f"received-{number}.json" for number in range(2)]
    recording = ("--record", str(folder / "live.mcap")) if record else ()
    with (
        child(*sender(address, SOURCE, "--wait-viewers", "2", "--frames",
                      str(round(SECOND * seconds)))) as station,
        child(*receiver(address, "--set", "stream.mode=live", "--report", str(reports[0]),
                        *recording)) as first,
        child(*receiver(address, "--set", "stream.mode=live", "--verbose", "--report",
                        str(reports[1])), log=log) as second,
    ):  # fmt: skip
        for process in (station, first, second):
            process.wait(seconds + START_S)
    found = [json.loads(report.read_text()) for report in reports]
    return {
        "cpu_ms": 1e3 * found[0]["cpu_s"] / max(1, found[0]["delivered"]),
        "other_cpu_ms": 1e3 * found[1]["cpu_s"] / max(1, found[1]["delivered"]),
        "recorded": found[0]["recorded"],
        "published": found[0]["published"],
        "lost": sum(found[0]["sinks"].get("record", found[0])["lost"].values()),
        "lost_live": sum(found[1]["lost"].values()) - lost_at_start(log.read_text()),
    }


def rows(cost: dict[str, float], runs: Sequence[dict[str, Any]]) -> list[Row]:
    """Return the figures of all runs."""
    recording = [run for run in runs if run["recorded"]]
    alone = sum(run["lost_live"] for run in runs if not run["recorded"])
    return [
        Row(
            "processor time to record a frame of 720p",
            cost["mean_ms"], "ms", at_most(MAX_CPU_MS),
        ),
        Row("its 99th percentile", cost["p99_ms"], "ms"),
        Row("processor time to keep a frame for an event", cost["ring_ms"], "ms",
            at_most(MAX_CPU_MS)),
        Row("mean packet", cost["packet_bytes"], "bytes"),
        Row(
            "processor time of a receiver that records, beyond that of one that counts",
            statistics.median(run["cpu_ms"] - run["other_cpu_ms"] for run in recording), "ms",
            at_most(MAX_CPU_MS),
        ),
        Row("frames that are not recorded", sum(run["lost"] for run in recording), bar=exactly(0)),
        Row(
            "frames that the live view beside it loses after its first two seconds",
            sum(run["lost_live"] for run in recording), bar=at_most(alone),
        ),
        Row("frames that it loses then while nobody records", alone),
    ]  # fmt: skip


def main() -> int:
    """Measure in one process and over loopback, and write the record."""
    options = option_parser(__doc__).parse_args()
    frames, seconds, repetitions = (300, 10.0, 1) if options.quick else (3000, 60.0, 3)
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        cost = in_process(frames, Path(folder))
    say(f"{cost['mean_ms']:.2f} ms a frame of {cost['packet_bytes'] / 1e3:.1f} kB")
    for _ in range(repetitions):
        for record in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                runs.append(live(seconds, record, Path(folder)))
            say(f"recorded {runs[-1]['recorded']} of {runs[-1]['published']}")
    record = Record(
        "recorder",
        "Recording beside a live view",
        f"The conveyor at 1280 x 720, 30 fps; {frames} frames in one process, then two live"
        f" receivers for {seconds:.0f} s, of which one records, {repetitions} runs with and"
        " without.",
        rounded(rows(cost, runs)),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
