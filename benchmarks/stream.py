"""The stream: losses, memory, age behind a slow sink, time to the first frame.

    python benchmarks/stream.py [--quick] [--source URI] [--output FILE.json]

Every run is a real sender process and a real receiver process over loopback. The slow sink is also
put behind a plain ZeroMQ subscriber with libzmq's default queue lengths, in the same run, as a
receiver that does not limit age.
"""

from __future__ import annotations

import json
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
import zmq
from command_line import finish, option_parser
from processes import child, free_address, receiver, sender
from record import Record, Row, at_most, exactly, rounded

from rankcast.frame import Frame
from rankcast.runtime import stop_flag
from rankcast_receiver import Subscriber
from rankcast_receiver.pipeline import ReceiverPipeline
from rankcast_receiver.sinks import SinkRunner

SOURCE: Final = "synthetic:conveyor?width=1280&height=720&fps=20"
SLOW_SINK_S: Final = 0.1
FAST_SENDER_FPS: Final = 50
MAX_GROWTH_MB: Final = 20.0
MAX_AGE_MS: Final = 250.0
MAX_FIRST_FRAME_S: Final = 2.0


def long_stream(source: str, frames: int, folder: Path) -> dict[str, Any]:
    """Stream `frames` frames in real time and watch the memory of both ends."""
    address = free_address()
    sent, received = folder / "sent.json", folder / "received.json"
    samples: dict[str, list[tuple[float, float]]] = {"sender": [], "receiver": []}
    with (
        child(*receiver(address, "--timeout", "60", "--report", str(received))) as viewer,
        child(*sender(address, source, "--codec", "svd", "--set", "codec.rank=0.1", "--frames",
                      str(frames), "--wait-viewers", "1", "--report", str(sent))) as station,
    ):  # fmt: skip
        watched = {"sender": psutil.Process(station.pid), "receiver": psutil.Process(viewer.pid)}
        started = time.monotonic()
        while viewer.poll() is None:
            for name, process in watched.items():
                try:
                    resident = process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
                if resident:
                    samples[name].append((time.monotonic() - started, resident / 1e6))
            time.sleep(0.25)  # the sampling interval
        station.wait(30)
    totals, report = json.loads(sent.read_text()), json.loads(received.read_text())
    growth = {name: growth_mb(values, min(0.5, 200 / frames)) for name, values in samples.items()}
    return {"frames": frames, "sent": totals, "received": report, "rss_growth_mb": growth}


def growth_mb(samples: list[tuple[float, float]], skip: float) -> float:
    """Return the memory growth over the median just after the share `skip` of the run."""
    end = samples[-1][0]
    later = [resident for at, resident in samples if at > skip * end]
    base = statistics.median(later[: max(1, len(later) // 20)])
    return max(later) - base


class SlowSink:
    """A sink that spends 100 ms on every frame."""

    name = "slow"
    wants: Final = "frames"

    def put(self, frame: Frame) -> bool:
        """Process one frame slowly; see Sink."""
        time.sleep(SLOW_SINK_S)  # the slowness that is measured
        return frame.pixels.size > 0

    def idle(self) -> bool:
        """Do nothing between frames; see Sink."""
        return True

    def close(self) -> None:
        """Do nothing; see Sink."""


def slow_sink(seconds: float) -> dict[str, Any]:
    """Measure the age of frames behind a sink that is five times too slow."""
    address = free_address()
    source = f"synthetic:conveyor?width=320&height=240&fps={FAST_SENDER_FPS}"
    frames = str(round(seconds * FAST_SENDER_FPS))
    runner = SinkRunner("slow", SlowSink, live=True)

    def subscribe(stopped: Callable[[], bool]) -> Subscriber:
        return Subscriber(address, timeout_s=30, stopped=stopped)

    pipeline = ReceiverPipeline(subscribe, [runner])
    with child(*sender(address, source, "--frames", frames, "--wait-viewers", "1")):
        pipeline.start()
        with stop_flag() as flag:
            while not pipeline.wait(0.1) and not flag.requested:
                continue
        pipeline.join()
    balance, shown = pipeline.outcome.balance, runner.ledger.balance()
    lost = sum(balance.lost.values()) + sum(shown.lost.values())
    return {
        "published": balance.entered,
        "shown": shown.passed,
        "skipped": lost,
        "balanced": balance.entered == shown.passed + lost,
        "age_max_ms": runner.age.max_ms,
        "age_p50_ms": runner.age.percentile_ms(50),
    }


def plain_subscriber(seconds: float) -> dict[str, Any]:
    """Measure the same behind plain PUB/SUB with libzmq's default queues of 1000 messages."""
    payload = np.random.default_rng(0).integers(0, 255, 320 * 240 * 3, np.uint8).tobytes()
    ages: list[float] = []
    with zmq.Context() as context, context.socket(zmq.PUB) as pub, context.socket(zmq.SUB) as sub:
        pub.setsockopt(zmq.LINGER, 0)
        sub.setsockopt(zmq.LINGER, 0)
        sub.setsockopt(zmq.SUBSCRIBE, b"")
        port = pub.bind_to_random_port("tcp://127.0.0.1")
        sub.connect(f"tcp://127.0.0.1:{port}")
        stop = threading.Event()

        def publish() -> None:
            while not stop.wait(1 / FAST_SENDER_FPS):
                pub.send(struct.pack("<q", time.monotonic_ns()) + payload)

        publisher = threading.Thread(target=publish)
        publisher.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            stamp = struct.unpack_from("<q", sub.recv())[0]
            ages.append((time.monotonic_ns() - stamp) / 1e6)
            time.sleep(SLOW_SINK_S)  # the slowness that is measured
        stop.set()
        publisher.join()
    return {"shown": len(ages), "age_max_ms": max(ages)}


def first_frame(source: str, tries: int) -> list[float]:
    """Measure the seconds from the start of the process to its end after one frame."""
    address = free_address()
    seconds = []
    with child(*sender(address, source)):
        for attempt in range(tries + 1):
            started = time.monotonic()
            subprocess.run(
                [sys.executable, "-m", "rankcast", "receive", "--connect", address, "--frames",
                 "1", "--timeout", "60"], check=True, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            if attempt:  # the first one fills the disk cache
                seconds.append(time.monotonic() - started)
    return seconds


def rows(measured: Mapping[str, Any]) -> list[Row]:
    """Return the figures of one run of `measure`."""
    short, long, slow, plain = (measured[key] for key in ("short", "long", "slow", "plain"))
    sent, received, frames = short["sent"], short["received"], short["frames"]
    losses = received["lost"].get("network_gap", 0) + sent["lost"].get("mailbox", 0)
    ledgers = [run[end]["balanced"] for run in (short, long) for end in ("sent", "received")]
    ledgers.append(slow["balanced"])
    return [
        Row(f"frames delivered of {frames} sent in real time", received["delivered"],
            bar=exactly(frames)),
        Row("of these lost in network and mailbox", losses, bar=exactly(0)),
        Row("latency, median", received["latency_ms"]["p50"], "ms"),
        Row("latency, 99th percentile", received["latency_ms"]["p99"], "ms"),
        Row("size of a frame", received["bytes_per_frame"] / 1e3, "kB"),
        *(
            Row(f"growth of the {end}'s memory after frame 200 of {long['frames']}",
                long["rss_growth_mb"][end], "MB", at_most(MAX_GROWTH_MB))
            for end in ("sender", "receiver")
        ),
        Row(f"oldest frame shown behind a sink of 100 ms, sender at {FAST_SENDER_FPS} Hz",
            slow["age_max_ms"], "ms", at_most(MAX_AGE_MS), "plain PUB/SUB",
            slow["age_max_ms"] / plain["age_max_ms"]),
        Row("first frame after the start of `rankcast receive`, median",
            statistics.median(measured["first_frame_s"]), "s", at_most(MAX_FIRST_FRAME_S)),
        Row("ledgers that do not balance", ledgers.count(False), bar=exactly(0)),
    ]  # fmt: skip


def measure(source: str, quick: bool) -> dict[str, Any]:
    """Run everything once."""
    with tempfile.TemporaryDirectory() as folder:
        short = long_stream(source, 60 if quick else 600, Path(folder))
        long = long_stream(source, 400 if quick else 2000, Path(folder))
    seconds = 2 if quick else 10
    return {
        "short": short,
        "long": long,
        "slow": slow_sink(seconds),
        "plain": plain_subscriber(seconds),
        "first_frame_s": first_frame(source, 2 if quick else 5),
    }


def main() -> int:
    """Measure and write the record."""
    parser = option_parser(__doc__)
    parser.add_argument("--source", default=SOURCE, help="source of the long streams")
    options = parser.parse_args()
    record = Record(
        "stream",
        "The stream of svd: losses, memory, age",
        "1280 x 720 at 20 fps over loopback, codec svd at rank 0.1. The slow sink takes five times"
        " as long as the frames are apart; a plain ZeroMQ subscriber with libzmq's own queues"
        " stands beside it.",
        rounded(rows(measure(options.source, options.quick))),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
