"""What a substream costs, and what a viewer with `--stream auto` sees on a narrow link.

    python benchmarks/substream.py [--quick] [--output FILE.json]

Encoding is measured in this process, on the same frames and with one thread, by processor time.
For what an unwatched substream costs, two real senders take turns, one with a substream and one
without. The link is a proxy that carries 1 Mbit/s between a real sender and a receiver here.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
from command_line import finish, option_parser, say
from processes import child, free_address
from record import REPOSITORY, Record, Row, at_most, exactly, rounded

from rankcast import pool
from rankcast.encoder import Encoder
from rankcast.frame import Frame
from rankcast_receiver import Subscriber
from rankcast_sender.settings import SenderSettings
from rankcast_sender.sources.synthetic import ConveyorOptions, ConveyorSource
from rankcast_sender.stream_table import StreamTable
from rankcast_sender.substreams import Reduction

# The proxy belongs to the tests.
sys.path.insert(0, str(REPOSITORY / "tests"))

from support.faultproxy import FaultProxy
from support.faults import Faults

LINK_BYTES_PER_S: Final = 125_000
PROXY_BUFFER_BYTES: Final = 8192
MAIN_BITRATE: Final = "2 Mbit/s"
SUB_BITRATE: Final = "400 kbit/s"
SETTLING_S: Final = 10.0
"""From the first picture of the substream until ages count."""
RETURN_S: Final = 300.0
"""Longest wait for the main stream: the longest pause before a trial, and more."""


def frames(count: int, first: int) -> list[Frame]:
    """Draw frames of 1280 x 720."""
    source = ConveyorSource("conveyor", ConveyorOptions(width=1280, height=720))
    return [Frame(source.render(first + number), frame=number) for number in range(count)]


def encode_shares(runs: int, count: int) -> list[tuple[float, float]]:
    """Return for each run the processor time of half the size, and of a quarter, by that of all.

    The streams take turns with each frame, so that what else the machine does weighs on all alike.
    """
    pool.set_threads(1)
    shares = []
    for run in range(runs):
        tables = [StreamTable(name="sub", scale=scale) for scale in ("1/2", "1/4")]
        codecs = [table.codec_beside(SenderSettings().codec).chosen for table in tables]
        streams = [(Reduction(), Encoder(**SenderSettings().codec.chosen))] + [
            (Reduction(table.divisor), Encoder(**codec))
            for table, codec in zip(tables, codecs, strict=True)
        ]
        spent_s = [0.0, 0.0, 0.0]
        for frame in frames(count, run * count):
            for number, (reduction, encoder) in enumerate(streams):
                began_s = time.process_time()
                encoder.encode(reduction.apply(frame))
                spent_s[number] += time.process_time() - began_s
        whole_s, half_s, quarter_s = spent_s
        shares.append((half_s / whole_s, quarter_s / whole_s))
        half, quarter = shares[-1]
        say(f"run {run + 1}: half {half:.3f}, quarter {quarter:.3f} of {whole_s:.2f} s")
    return shares


@contextmanager
def sender(
    folder: Path, streams: str, source: str, codec: str = ""
) -> Iterator[tuple[str, psutil.Process, Path]]:
    """Run a sender; yield its address, its process and its report."""
    address, settings = free_address(), folder / f"{time.monotonic_ns()}.toml"
    report = settings.with_suffix(".json")
    settings.write_text(
        f'[camera]\nname = "line3"\nsource = "synthetic:conveyor?{source}"\n{streams}\n'
        f'[network]\nbind = "{address}"\n[discovery]\nenabled = false\n'
        f"[process]\nthreads = 1\n[codec]\n{codec}\n"
    )
    command = ("rankcast_sender", "--config", str(settings), "--report", str(report))
    with child(*command) as process:
        yield address, psutil.Process(process.pid), report


class Watcher:
    """A subscriber in a thread, which notes stream, age and time of every frame."""

    def __init__(self, address: str, stream: str) -> None:
        self.seen: list[tuple[float, str, float]] = []
        self.balanced = False
        self._address, self._stream = address, stream
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with Subscriber(
            self._address, camera="line3", stream=self._stream, stopped=self._stop.is_set
        ) as subscriber:
            for frame in subscriber:
                age_ms = (time.time_ns() - frame.t_capture_utc_ns) / 1e6
                self.seen.append((time.monotonic(), frame.stream, age_ms))
            self.balanced = subscriber.balance().under_way == 0

    def wait(self, true: Callable[[], bool], within_s: float) -> float:
        """Wait until it is so; return how long that took."""
        began_s = time.monotonic()
        while not true():
            if time.monotonic() - began_s > within_s:
                raise RuntimeError(f"not within {within_s:g} s; last: {self.seen[-1:]}")
            time.sleep(0.02)  # the sampling interval
        return time.monotonic() - began_s

    def shows(self, stream: str) -> bool:
        """Return True if the newest picture is of this stream."""
        return bool(self.seen) and self.seen[-1][1] == stream

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()


def unwatched(folder: Path, runs: int, seconds: float) -> tuple[float, int]:
    """Return what a frame costs with an unwatched substream by one without, and its packets."""
    half = '[[camera.stream]]\nname = "sub"\nscale = "1/2"'
    source = "width=640&height=360&fps=30"
    ratios = []
    with (
        sender(folder, "", source) as (plain_address, plain, _),
        sender(folder, half, source) as (address, process, report),
    ):
        watchers = [Watcher(each, "main") for each in (plain_address, address)]
        try:
            for each in watchers:
                each.wait(lambda each=each: len(each.seen) > 30, 60)  # type: ignore[misc]
            for run in range(runs):
                began = [sum(each.cpu_times()[:2]) for each in (plain, process)]
                counts = [len(each.seen) for each in watchers]
                time.sleep(seconds)  # the run
                spent = [sum(each.cpu_times()[:2]) for each in (plain, process)]
                frame_s = [
                    (spent[n] - began[n]) / (len(watchers[n].seen) - counts[n]) for n in range(2)
                ]
                ratios.append(frame_s[1] / frame_s[0])
                say(f"run {run + 1}: with an unwatched substream {ratios[-1]:.3f} of without")
        finally:
            for each in watchers:
                each.close()
    entry = json.loads(report.read_text())["cameras"]["line3"]["substreams"]["sub"]
    return statistics.median(ratios), entry["published"]


def narrow(folder: Path, seconds: float) -> list[Row]:
    """Measure ages over 1 Mbit/s, and the time until the main stream returns."""
    half = f'[[camera.stream]]\nname = "sub"\nscale = "1/2"\nbitrate = "{SUB_BITRATE}"'
    source, codec = "width=640&height=360&fps=15", f'bitrate = "{MAIN_BITRATE}"'
    faults = Faults(bytes_per_s=LINK_BYTES_PER_S)
    with (
        sender(folder, half, source, codec) as (address, _, _),
        FaultProxy(address, faults, buffer_bytes=PROXY_BUFFER_BYTES) as proxy,
    ):
        viewer = Watcher(proxy.address, "auto")
        try:
            viewer.wait(lambda: bool(viewer.seen), 60)
            began_s = viewer.seen[0][0]
            viewer.wait(lambda: viewer.shows("sub"), 60)
            down_s = next(at for at, stream, _ in viewer.seen if stream == "sub") - began_s
            time.sleep(SETTLING_S)
            since_s = time.monotonic()
            time.sleep(seconds)  # the run
            until_s = time.monotonic()
            proxy.set(Faults())
            up_s = viewer.wait(lambda: viewer.shows("main"), RETURN_S)
        finally:
            viewer.close()
    ages = sorted(age for at, _, age in viewer.seen if since_s < at <= until_s)
    oldest = max(age for at, _, age in viewer.seen if at <= until_s)
    over = sum(age > 500 for age in ages) / len(ages)
    say(f"{len(ages)} pictures in {seconds:g} s, {100 * over:.2f} % of them older than 500 ms")
    if not viewer.balanced:
        raise RuntimeError("the receiver's ledger does not balance")
    return [
        Row("auto: from the first picture to the substream", down_s, "s"),
        Row("auto: age after settling, median", ages[len(ages) // 2], "ms"),
        Row("auto: age after settling, 99th percentile", ages[int(0.99 * len(ages))], "ms",
            bar=at_most(500)),
        Row("auto: age after settling, maximum", ages[-1], "ms"),
        Row("auto: age from the start on, maximum", oldest, "ms"),
        Row("auto: from the wider link to the main stream", up_s, "s"),
    ]  # fmt: skip


def main() -> int:
    """Measure and write the record."""
    options = option_parser(__doc__).parse_args()
    quick = options.quick
    shares = encode_shares(3 if quick else 7, 15 if quick else 60)
    with tempfile.TemporaryDirectory() as folder:
        ratio, packets = unwatched(Path(folder), 3 if quick else 7, 3.0 if quick else 8.0)
        rows = narrow(Path(folder), 20.0 if quick else 120.0)
    record = Record(
        "substream",
        "Substreams",
        "Processor time to encode a substream of half the width and height, scaling included, in"
        " relation to the main stream of 1280 x 720; that of a whole sender with a substream that"
        " nobody watches, in relation to one without; medians of runs. Then a viewer with `--stream"
        f" auto` of 640 x 360 at 15 fps, main {MAIN_BITRATE} and half size {SUB_BITRATE}, on a link"
        f" of 1 Mbit/s, which becomes wide at the end; settling takes {SETTLING_S:g} s.",
        rounded(
            [
                Row("encoding, half size", ratio=statistics.median(half for half, _ in shares),
                    peer="the main stream", bar=at_most(0.35)),
                Row("encoding, a quarter", ratio=statistics.median(part for _, part in shares),
                    peer="the main stream"),
                Row("a sender with an unwatched substream", ratio=ratio, peer="one without"),
                Row("packets of the unwatched substream", packets, bar=exactly(0)),
                *rows,
            ]
        ),
        quick=quick,
    )  # fmt: skip
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
