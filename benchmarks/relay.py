"""What a relay costs the sender, each frame, and the machine that it runs on.

    python benchmarks/relay.py [--quick] [--output FILE.json]

Viewers count packets and decode none. A sender that encodes 640 x 360 at 15 fps has one viewer
behind a relay and fifty, in turn, five times each. Then a recording of 1280 x 720 at 30 fps is
replayed to a viewer of the sender and one of the relay at the same time: how much later does each
frame come? At last the relay alone: processor time and memory with more cameras and more viewers.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import psutil
from command_line import finish, option_parser, say
from processes import child, free_address, sender
from record import Record, Row, at_most, exactly, rounded
from recorded_clip import record_clip

T = TypeVar("T")
VIEWERS: Final = 50
TRIES: Final = 2
CAMERAS: Final = 8
LIVE: Final = "synthetic:conveyor?width=640&height=360&fps=15"
RECORDED_FPS: Final = 30
RECORDED_FRAMES: Final = 150
CLIENT: Final = Path(__file__).with_name("relay_viewers.py")


def relay(address: str, to: str, *arguments: str) -> tuple[str, ...]:
    """Return the command of a relay."""
    return ("rankcast_relay", "--from", address, "--to", to, *arguments)


def viewers(seconds: float, count: int, *addresses: str) -> dict[str, Any]:
    """Run viewers in another process, and return what they got."""
    command = [sys.executable, str(CLIENT), str(seconds), str(count), *addresses]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode:
        raise RuntimeError(f"the viewers failed: {done.stderr}")
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    if not any(found["counts"]):
        raise TimeoutError("no frame came")
    return found


def tried(measure: Callable[[], T]) -> T:
    """Measure again where another process took one of the ports."""
    for _ in range(TRIES):
        with suppress(TimeoutError):
            return measure()
    return measure()


def cpu_s(process: psutil.Process) -> float:
    """Return the processor time of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def sender_ms(count: int, seconds: float) -> float:
    """Return the processor time of the sender for each frame, in ms, with `count` viewers."""
    address, to = free_address(), free_address()
    with child(*sender(address, LIVE)) as station, child(*relay(address, to)):
        watched = psutil.Process(station.pid)
        viewers(2.0, count, to)  # until all is loaded
        before_s, began_s = cpu_s(watched), time.monotonic()
        frames_s = max(viewers(seconds, count, to)["counts"]) / seconds
        return 1e3 * (cpu_s(watched) - before_s) / (time.monotonic() - began_s) / frames_s


def relay_load(
    folder: Path, cameras: int, count: int, seconds: float
) -> tuple[float, float, Sequence[int]]:
    """Return the share of a core and the memory in MB of a relay, and what its viewers got."""
    address, to = free_address(), free_address()
    settings = folder / "cameras.toml"
    table = '[[camera]]\nname = "c{}"\nsource = "replay:{}?loop=true"\n'
    settings.write_text("".join(table.format(n, folder / "clip.mcap") for n in range(cameras)))
    command = ("rankcast_sender", "--config", str(settings), "--bind", address)
    with child(*command), child(*relay(address, to)) as process:
        watched = psutil.Process(process.pid)
        viewers(2.0, count, to)
        before_s, began_s = cpu_s(watched), time.monotonic()
        got = viewers(seconds, count, to)["counts"]
        share = (cpu_s(watched) - before_s) / (time.monotonic() - began_s)
        return share, watched.memory_info().rss / 1e6, got


def hop_ms(folder: Path, seconds: float) -> list[float]:
    """Return how much later each frame came through a relay."""
    address, to = free_address(), free_address()
    source = f"replay:{folder / 'clip.mcap'}?loop=true"
    with child(*sender(address, source)), child(*relay(address, to)):
        viewers(2.0, 1, address, to)
        later = viewers(seconds, 1, address, to)["later_ms"]
        assert isinstance(later, list)
        return later


def main() -> int:
    """Measure all three, and write the record."""
    options = option_parser(__doc__).parse_args()
    seconds, repetitions = (4.0, 1) if options.quick else (10.0, 5)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        record_clip(folder / "clip.mcap", RECORDED_FPS, RECORDED_FRAMES)
        alone, many = [], []
        for _ in range(repetitions):
            alone.append(tried(lambda: sender_ms(1, seconds)))
            many.append(tried(lambda: sender_ms(VIEWERS, seconds)))
            say(f"sender: {alone[-1]:.2f} ms a frame with 1 viewer, {many[-1]:.2f} with {VIEWERS}")
        later = sorted(tried(lambda: hop_ms(folder, 2 * seconds)))
        say(f"a hop adds {statistics.median(later):.2f} ms")
        loads = {
            (cameras, count): tried(partial(relay_load, folder, cameras, count, seconds))
            for cameras, count in ((1, 1), (1, VIEWERS), (CAMERAS, 1))
        }
    for (cameras, count), (share, memory, _) in loads.items():
        say(f"{cameras} cameras, {count} viewers: {100 * share:.1f} % of a core, {memory:.0f} MB")
    (base, base_mb, _), (busy, busy_mb, got), (wide, wide_mb, _) = loads.values()
    ratio = statistics.median(many) / statistics.median(alone)
    rows = [
        Row(f"sender, processor time a frame with {VIEWERS} viewers over that with one", ratio,
            bar=at_most(1.10)),
        Row("a frame comes later through a relay, median", statistics.median(later), "ms",
            at_most(3.0)),
        Row("a frame comes later through a relay, 99th percentile",
            later[round(0.99 * (len(later) - 1))], "ms"),
        Row("relay with one camera and one viewer", 100 * base, "% of a core"),
        Row("relay, each further viewer", 100 * (busy - base) / (VIEWERS - 1), "% of a core"),
        Row("relay, each further camera", 100 * (wide - base) / (CAMERAS - 1), "% of a core"),
        Row("memory of the relay with one camera and one viewer", base_mb, "MB"),
        Row("memory, each further viewer", (busy_mb - base_mb) / (VIEWERS - 1), "MB"),
        Row("memory, each further camera", (wide_mb - base_mb) / (CAMERAS - 1), "MB"),
        Row(f"of {VIEWERS} viewers, those that got nothing", sum(not n for n in got),
            bar=exactly(0)),
    ]  # fmt: skip
    record = Record(
        "relay",
        "A relay",
        f"Viewers that decode nothing. The sender encodes 640 x 360 at 15 fps, medians of"
        f" {repetitions} runs of {seconds:.0f} s in turn; the other figures are those of a replayed"
        " recording of 1280 x 720 at 30 fps, the delay of frames that both viewers of one run got.",
        rounded(rows),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
