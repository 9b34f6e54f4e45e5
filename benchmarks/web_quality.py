"""Whether the work of a web server grows with quality: nobody watches, 1 page, 10 pages.

    python benchmarks/web_quality.py [--quick] [--output FILE.json]

Two senders replay the same scene, 1280 x 720 at 30 fps, coded as `svd-patch` with the qualities 40
and 80; a `rankcast receive --web` for each shows it. In turns of 5 s (3 s with ``--quick``), which
alternate between the two so that both see the same machine, no page, 1 page and 10 pages of
another process read. Processor time is that of the receiver, which decodes nothing for them; the
last rows are what an MJPEG client costs, for which it does.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import psutil
from command_line import finish, option_parser, say
from processes import child, free_address, receiver, sender
from record import Record, Row, at_most, exactly, rounded
from recorded_clip import record_clip
from web_clients import load, pages, url_in

QUALITIES: Final = (40, 80)
PAGES: Final = (0, 1, 10)
FPS: Final = 30
FRAMES: Final = 75
"""A sender that replays makes no key frames on request: a page that joins gets the packets since
the last one, which is at most 90."""
MOST_RATIO: Final = 1.25
"""Bytes are copied and sent, so that a little grows with them."""
MJPEG_BYTES: Final = 65_536


@dataclass
class Station:
    """A receiver that shows one quality."""

    quality: int
    bytes_per_frame: float
    url: str
    process: psutil.Process
    shares: dict[str, list[float]] = field(default_factory=dict)

    def measure(self, what: str, work: Callable[[], object]) -> None:
        """Add the share of a core that the receiver takes meanwhile."""
        share, _, _ = load(self.process, work)
        self.shares.setdefault(what, []).append(share)

    def share(self, what: str) -> float:
        """Return the median share of a core."""
        return statistics.median(self.shares[what])

    def decoded(self) -> int:
        """Return how many packets the receiver has decoded."""
        with urllib.request.urlopen(f"{self.url}metrics") as answer:
            lines = answer.read().decode().splitlines()
        name = "rankcast_receiver_packets_decoded_total{"
        return sum(int(float(line.split()[-1])) for line in lines if line.startswith(name))


def watch(url: str, count: int, seconds: float) -> None:
    """Let so many pages read for some seconds; none is a pause."""
    if count:
        pages(url, count, seconds)
    else:
        time.sleep(seconds)


def read_mjpeg(url: str, seconds: float) -> None:
    """Read MJPEG for some seconds."""
    until_s = time.monotonic() + seconds
    with urllib.request.urlopen(f"{url}api/cameras/cam/stream.mjpg") as answer:
        while time.monotonic() < until_s:
            answer.read(MJPEG_BYTES)


def open_station(stack: ExitStack, folder: Path, quality: int) -> Station:
    """Start a sender and a receiver of one quality."""
    clip, log = folder / f"{quality}.mcap", folder / f"{quality}.log"
    size = record_clip(clip, FPS, FRAMES, quality)
    address = free_address()
    stack.enter_context(child(*sender(address, f"replay:{clip}?loop=true")))
    started = stack.enter_context(child(*receiver(address, "--web", "127.0.0.1:0"), log=log))
    return Station(quality, size, url_in(log), psutil.Process(started.pid))


def main() -> int:
    """Measure both qualities in turn, and write the record."""
    options = option_parser(__doc__).parse_args()
    seconds, turns = (3.0, 2) if options.quick else (5.0, 5)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stations = [open_station(stack, folder, quality) for quality in QUALITIES]
        for station in stations:
            pages(station.url, 1, 3.0)  # what is compiled and loaded at first use
        for _ in range(turns):
            for count in PAGES:
                for station in stations:
                    station.measure(f"{count} pages", partial(watch, station.url, count, seconds))
        decoded = [station.decoded() for station in stations]
        for _ in range(turns):
            for station in stations:
                station.measure("mjpeg", partial(read_mjpeg, station.url, seconds))
    low, high = stations
    rows = [Row(f"size of a packet, quality {s.quality}", s.bytes_per_frame / 1e3, "kB")
            for s in stations]  # fmt: skip
    rows.append(Row("the same, ratio", high.bytes_per_frame / low.bytes_per_frame))
    for what, words in (("0 pages", "no page"), ("1 pages", "1 page"), ("10 pages", "10 pages"),
                        ("mjpeg", "1 MJPEG client")):  # fmt: skip
        for station in stations:
            share = 100 * station.share(what)
            say(f"{words}, quality {station.quality}: {share:.1f} % of a core")
            rows.append(Row(f"receiver, {words}, quality {station.quality}", share, "% of a core"))
        bar = None if what == "mjpeg" else at_most(MOST_RATIO)
        rows.append(Row(f"the same, ratio, {words}", high.share(what) / low.share(what), bar=bar))
    rows.append(Row("packets decoded before the MJPEG client came", sum(decoded), bar=exactly(0)))
    record = Record(
        "web-quality",
        "Work of a web server and quality",
        f"1280 x 720 at {FPS} fps, `svd-patch` with the qualities {low.quality} and "
        f"{high.quality}. Processor time of the receiver, median of {turns} turns of "
        f"{seconds:.0f} s each, which alternate between the qualities.",
        rounded(rows),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
