"""Losses and age of pictures on a link of 1 Mbit/s, with and without a bit rate that follows it.

    python benchmarks/following.py [--quick] [--output FILE.json]

A real sender and a real receiver with a proxy between them. The stream of 640 x 360 at 15 fps has
4 Mbit/s; the proxy carries all of it for 5 s and 1 Mbit/s from then on. A run takes 60 s of that
(20 s with ``--quick``).
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from command_line import finish, option_parser
from processes import child, free_address, sender
from record import REPOSITORY, Record, Row, rounded

from rankcast.boot_clock import boot_ns
from rankcast.frame import Frame
from rankcast.runtime import NETWORK_GAP
from rankcast_receiver import Subscriber

# The proxy belongs to the tests.
sys.path.insert(0, str(REPOSITORY / "tests"))

from support.faultproxy import FaultProxy
from support.faults import Faults

SOURCE: Final = "synthetic:conveyor?width=640&height=360&fps=15"
LINK_BYTES_PER_S: Final = 125_000
BUFFER_BYTES: Final = 65_536
"""At both ends; the proxy has less, because what it holds adds to the age."""
PROXY_BUFFER_BYTES: Final = 8192
WIDE_S: Final = 5.0
SETTLED_S: Final = 15.0
"""After this time on the narrow link the bit rate has been found."""
LOWEST: Final = "250 kbit/s"


@dataclass
class Seen:
    """What arrived over the narrow link; times are seconds since it became narrow."""

    frames: list[tuple[float, float]] = field(default_factory=list)
    """When a frame was handed out, and its age in ms."""
    rates: list[tuple[float, float]] = field(default_factory=list)
    """When a status came, and the bit rate that it tells, in bit/s."""
    lost: list[tuple[float, int, int]] = field(default_factory=list)
    """Frames that never arrived so far, and those that were published, at those times."""


def measure(seconds: float, *, follows: bool) -> Seen:
    """Stream over the narrow link for `seconds`."""
    address, seen, stop = free_address(), Seen(), threading.Event()
    rates = ["--set", "codec.bitrate=4 Mbit/s", "--set", f"network.buffer_bytes={BUFFER_BYTES}"]
    rates += ["--set", f"codec.min_bitrate={LOWEST}"] if follows else []
    with (
        child(*sender(address, SOURCE, *rates)),
        FaultProxy(address, buffer_bytes=PROXY_BUFFER_BYTES) as proxy,
        Subscriber(
            proxy.address, buffer_bytes=BUFFER_BYTES, stopped=stop.is_set, stay=True
        ) as subscriber,
    ):
        narrow_s = float("inf")
        timer = threading.Timer(0, lambda: None)
        for frame in subscriber:
            now_s = time.monotonic()
            if narrow_s == float("inf"):
                narrow_s = now_s + WIDE_S
                timer = threading.Timer(
                    WIDE_S, lambda: proxy.set(Faults(bytes_per_s=LINK_BYTES_PER_S))
                )
                timer.start()
            note(seen, frame, subscriber, now_s - narrow_s)
            if now_s - narrow_s > seconds:
                stop.set()
        timer.join()
    return seen


def note(seen: Seen, frame: Frame, subscriber: Subscriber, at_s: float) -> None:
    """Record one frame, and what the newest status says."""
    stream = subscriber.streams["cam"]
    if at_s < 0 or frame.t_capture_here_ns is None or stream.status is None:
        return
    seen.frames.append((at_s, (boot_ns() - frame.t_capture_here_ns) / 1e6))
    rate = stream.status.settings.get("bitrate_now", stream.status.settings["bitrate"])
    assert isinstance(rate, int | float)
    seen.rates.append((at_s, rate))
    balance = subscriber.balance()
    seen.lost.append((at_s, balance.lost.get(NETWORK_GAP, 0), balance.entered))


def rows(name: str, seen: Seen, seconds: float) -> list[Row]:
    """Return the figures of one run, all of it and once it has settled."""
    settled = min(SETTLED_S, seconds / 2)
    late = [age_ms for at_s, age_ms in seen.frames if at_s >= settled]
    gaps = [(lost, entered) for at_s, lost, entered in seen.lost if at_s >= settled]
    lost, published = (gaps[-1][0] - gaps[0][0], gaps[-1][1] - gaps[0][1]) if gaps else (0, 0)
    ordered = sorted(late)
    span_s = seconds - settled
    found = [
        Row(f"{name}: frames that never arrived, from {settled:g} s on",
            100 * lost / max(1, published), "%"),
        Row(f"{name}: frames shown a second, from {settled:g} s on", len(late) / span_s, ""),
    ]  # fmt: skip
    if ordered:
        found += [
            Row(f"{name}: age, median", statistics.median(ordered), "ms"),
            Row(f"{name}: age, 99th percentile", ordered[int(0.99 * (len(ordered) - 1))], "ms"),
        ]
    below = [at_s for at_s, rate in seen.rates if rate <= 8 * LINK_BYTES_PER_S]
    if below:
        found.append(Row(f"{name}: time until the bit rate fits the link", below[0], "s"))
    return found


def main() -> int:
    """Measure both and write the record."""
    options = option_parser(__doc__).parse_args()
    seconds = 20.0 if options.quick else 60.0
    found = []
    for name, follows in (("bit rate fixed", False), ("following", True)):
        found += rows(name, measure(seconds, follows=follows), seconds)
    record = Record(
        "following",
        "A bit rate that follows the link",
        "A stream of 640 x 360 at 15 fps and 4 Mbit/s whose link narrows to 1 Mbit/s, with"
        f" `codec.min_bitrate` = {LOWEST} and without it: what never arrived, and the age of"
        " pictures when they are handed out, once the first seconds have passed.",
        rounded(found),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
