"""Figures of the stream: losses, memory, age behind a slow sink, time to the first frame.

    python benchmarks/stream.py [--quick] [--source URI] [--output FILE.json]

Every run is a real sender process and a real receiver process over loopback. The slow sink is
also put behind a plain ZeroMQ subscriber with the library's own queue lengths, in the same run,
which is what a receiver gets that does nothing about age. Ends with 1 when a bar is missed or a
ledger does not balance.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
import zmq

from rankcast.frame import Frame
from rankcast.kernels.warm import warm
from rankcast.runtime import stop_flag
from rankcast_receiver import Subscriber
from rankcast_receiver.pipeline import ReceiverPipeline
from rankcast_receiver.sinks import SinkRunner

SOURCE = "synthetic:conveyor?width=1280&height=720&fps=20"
SLOW_SINK_S = 0.1
FAST_SENDER_FPS = 50
DELIVERED = "delivered of {} at 720p, 20 fps, svd rank 0.1"
MOST = {
    "network and mailbox losses": 0.0,
    "sender RSS growth after frame 200 of 2000, MB": 20.0,
    "receiver RSS growth after frame 200 of 2000, MB": 20.0,
    "oldest frame shown behind a 100 ms sink at 50 Hz, ms": 250.0,
    "first frame after the start of `rankcast receive`, s": 2.0,
}


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


@contextmanager
def child(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """One end as a process of its own, quiet, gone at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)


def send(address: str, source: str, *arguments: str) -> tuple[str, ...]:
    return ("rankcast_sender", "--bind", address, "--source", source, *arguments)


def long_stream(source: str, frames: int, folder: Path) -> dict[str, Any]:
    """Stream `frames` frames in real time and watch the memory of both ends."""
    address = free_address()
    sent, received = folder / "sent.json", folder / "received.json"
    samples: dict[str, list[tuple[float, float]]] = {"sender": [], "receiver": []}
    with (
        child("rankcast_receiver", "--connect", address, "--timeout", "60", "--report",
              str(received)) as receiver,
        child(*send(address, source, "--codec", "svd", "--set", "codec.rank=0.1", "--frames",
                    str(frames), "--wait-viewers", "1", "--report", str(sent))) as sender,
    ):  # fmt: skip
        watched = {"sender": psutil.Process(sender.pid), "receiver": psutil.Process(receiver.pid)}
        started = time.monotonic()
        while receiver.poll() is None:
            for name, process in watched.items():
                try:
                    resident = process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
                if resident:
                    samples[name].append((time.monotonic() - started, resident / 1e6))
            time.sleep(0.25)  # the sampling interval
        sender.wait(30)
    totals, report = json.loads(sent.read_text()), json.loads(received.read_text())
    growth = {name: growth_mb(values, min(0.5, 200 / frames)) for name, values in samples.items()}
    return {"frames": frames, "sent": totals, "received": report, "rss_growth_mb": growth}


def growth_mb(samples: list[tuple[float, float]], skip: float) -> float:
    """Highest memory after the first share of the run, over the median just after it."""
    end = samples[-1][0]
    later = [resident for at, resident in samples if at > skip * end]
    base = statistics.median(later[: max(1, len(later) // 20)])
    return max(later) - base


class SlowSink:
    """Takes 100 ms for every frame."""

    name = "slow"
    wants: Final = "frames"

    def put(self, frame: Frame) -> bool:
        time.sleep(SLOW_SINK_S)  # the slowness that is measured
        return frame.pixels.size > 0

    def idle(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing to finish."""


def slow_sink(seconds: float) -> dict[str, Any]:
    """The oldest frame that a live receiver shows when its sink is five times too slow."""
    address = free_address()
    source = f"synthetic:conveyor?width=320&height=240&fps={FAST_SENDER_FPS}"
    frames = str(round(seconds * FAST_SENDER_FPS))
    runner = SinkRunner("slow", SlowSink, live=True)
    warm()  # as `rankcast receive` does before it connects

    def subscribe(stopped: Callable[[], bool]) -> Subscriber:
        return Subscriber(address, timeout_s=30, stopped=stopped)

    pipeline = ReceiverPipeline(subscribe, [runner])
    with child(*send(address, source, "--frames", frames, "--wait-viewers", "1")):
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
    """The same with a plain PUB/SUB pair and libzmq's own queues of 1000 messages."""
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
    """Seconds from the start of the process to its end after one frame."""
    address = free_address()
    seconds = []
    with child(*send(address, source)):
        for attempt in range(tries + 1):
            started = time.monotonic()
            subprocess.run(
                [sys.executable, "-m", "rankcast", "receive", "--connect", address, "--frames",
                 "1", "--timeout", "60"], check=True, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            if attempt:  # the first one may have compiled kernels
                seconds.append(time.monotonic() - started)
    return seconds


def say(text: str) -> None:
    """Words for the reader; standard output is for JSON."""
    print(text, file=sys.stderr)


def missed(figures: dict[str, float], frames: int) -> list[str]:
    """The figures that are not within their bars: all `frames` delivered, the rest at most."""
    over = [name for name, most in MOST.items() if figures[name] > most]
    delivered = DELIVERED.format(frames)
    return over if figures[delivered] == frames else [delivered, *over]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short runs, to see that it works")
    parser.add_argument("--source", default=SOURCE, help="source of the long streams")
    parser.add_argument("--output", type=Path, help="write the JSON here, not to standard output")
    arguments = parser.parse_args()
    quick = arguments.quick
    frames = 60 if quick else 600
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        short = long_stream(arguments.source, frames, work)
        long = long_stream(arguments.source, 400 if quick else 2000, work)
    slow = slow_sink(2 if quick else 10)
    plain = plain_subscriber(2 if quick else 10)
    starts = first_frame(arguments.source, 2 if quick else 5)
    lost = {**short["received"]["lost"]}
    losses = lost.get("network_gap", 0) + short["sent"]["lost"].get("mailbox", 0)
    figures = dict(
        zip(
            (DELIVERED.format(frames), *MOST),
            (
                short["received"]["delivered"],
                losses,
                round(long["rss_growth_mb"]["sender"], 1),
                round(long["rss_growth_mb"]["receiver"], 1),
                round(slow["age_max_ms"]),
                round(statistics.median(starts), 2),
            ),
            strict=True,
        )
    )
    say(f"{'figure':<58}{'measured':>10}{'bar':>10}")
    bars = {name: f"<= {MOST[name]:g}" if name in MOST else f"{frames}" for name in figures}
    for name, value in figures.items():
        say(f"{name:<58}{value:>10}{bars[name]:>10}")
    report = short["received"]
    say(
        f"\nfps {report['fps']:.2f}, {report['bytes_per_frame'] / 1e3:.0f} kB/frame, latency p50 "
        f"{report['latency_ms']['p50']:.0f} ms, p99 {report['latency_ms']['p99']:.0f} ms"
    )
    say(f"losses of the {frames} frames by cause: {short['sent']['lost']} {lost}")
    ratio = slow["age_max_ms"] / plain["age_max_ms"]
    say(
        f"slow sink: {slow['shown']} shown, {slow['skipped']} skipped, balanced {slow['balanced']};"
        f" plain PUB/SUB shows a frame {plain['age_max_ms']:.0f} ms old: ratio {ratio:.3f}"
    )
    balanced = slow["balanced"] and all(
        run[end]["balanced"] for run in (short, long) for end in ("sent", "received")
    )
    over = missed(figures, frames)
    for name in over:
        say(f"FAILED: {name}: {figures[name]}, the bar is {bars[name]}")
    say(f"all ledgers balanced: {balanced}")
    detail = {
        "short": short,
        "long": long,
        "slow_sink": slow,
        "plain_subscriber": plain,
        "first_frame_s": starts,
    }
    text = json.dumps({"figures": figures, "bars": bars, "detail": detail}, indent=2) + "\n"
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0 if balanced and not over else 1


if __name__ == "__main__":
    sys.exit(main())
