"""What pages cost a receiver: processor time and memory with 50 of them, and one that hangs.

    python benchmarks/web_clients.py [--quick] [--output FILE.json]

A sender replays a recording of 1280 x 720 at 30 fps, `svd-patch`, and `rankcast receive --web`
shows it. 50 pages in another process read and acknowledge for 30 s (10 s with ``--quick``); then
eight, of which one reads nothing. The processor time is that of the receiver, which decodes only
where a page needs a reference packet.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import psutil
from command_line import finish, option_parser, say
from processes import child, free_address, receiver, sender
from record import Record, Row, at_most, exactly, rounded
from recorded_clip import record_clip

PAGES: Final = 50
FPS: Final = 30
FRAMES: Final = 150
CLIENT: Final = Path(__file__).with_name("web_page_client.py")


def pages(url: str, count: int, seconds: float, stuck: int = 0) -> list[dict[str, Any]]:
    """Run pages in another process and return what those that read got."""
    command = [sys.executable, str(CLIENT), url, str(count), str(seconds), str(stuck)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode:
        raise RuntimeError(f"the pages failed: {done.stderr}")
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found


def load(
    process: psutil.Process, work: Callable[[], Any], idle: float = 0.0, seconds: float = 0.0
) -> tuple[float, float, Any]:
    """Return the share of a core that a process takes meanwhile, its memory in MB, the result.

    If the work itself takes some `seconds`, the share `idle` counts for its start and end.
    """
    before, began_s = process.cpu_times(), time.monotonic()
    result = work()
    after, took_s = process.cpu_times(), time.monotonic() - began_s
    used_s = after.user - before.user + after.system - before.system
    seconds = seconds or took_s
    share = (used_s - idle * (took_s - seconds)) / seconds
    return share, process.memory_info().rss / 1e6, result


def main() -> int:
    """Measure without pages, with 50, and with one that hangs; write the record."""
    options = option_parser(__doc__).parse_args()
    seconds = 10.0 if options.quick else 30.0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        record_clip(folder / "clip.mcap", FPS, FRAMES)
        address, log = free_address(), folder / "receiver.log"
        source = f"replay:{folder / 'clip.mcap'}?loop=true"
        stack.enter_context(child(*sender(address, source)))
        web = ("--web", "127.0.0.1:0")
        station = stack.enter_context(child(*receiver(address, *web), log=log))
        watched = psutil.Process(station.pid)
        url = url_in(log)
        pages(url, 1, 5.0)  # what is compiled and loaded at first use
        idle, idle_mb, _ = load(watched, lambda: time.sleep(seconds))
        say(f"no page: {100 * idle:.1f} % of a core, {idle_mb:.0f} MB")
        busy, busy_mb, many = load(watched, lambda: pages(url, PAGES, seconds), idle, seconds)
        say(f"{PAGES} pages: {100 * busy:.1f} % of a core, {busy_mb:.0f} MB")
        _, _, seven = load(watched, lambda: pages(url, 8, seconds, 1))
        stuck_mb = watched.memory_info().rss / 1e6
    sent = [one["frames"] for one in many]
    rows = [
        Row("receiver without a page", 100 * idle, "% of a core"),
        Row(f"receiver with {PAGES} pages", 100 * busy, "% of a core", at_most(40.0)),
        Row(f"its memory with {PAGES} pages, over that without", busy_mb - idle_mb, "MB",
            at_most(64.0)),
        Row("pictures a second of the page that got least", min(sent) / seconds),
        Row("time to the first picture, the slowest page", max(one["first_ms"] for one in many),
            "ms"),
        Row("pictures that seven pages missed while one read nothing",
            sum(one["skipped"] for one in seven), bar=exactly(0)),
        Row("memory while one read nothing, over that without a page", stuck_mb - idle_mb, "MB",
            at_most(64.0)),
    ]  # fmt: skip
    record = Record(
        "web-clients",
        "Pages on one receiver",
        f"1280 x 720 at 30 fps, {PAGES} pages for {seconds:.0f} s, then eight of which one reads "
        "nothing. Processor time of the receiver, which decodes nothing for pages in step.",
        rounded(rows),
        quick=options.quick,
    )
    return finish(record, options.output)


def url_in(log: Path) -> str:
    """Return the web address that a receiver has logged."""
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        for line in log.read_text().splitlines() if log.exists() else ():
            if "web address: " in line:
                return line.rpartition(" ")[2]
        time.sleep(0.1)  # the sampling interval
    raise RuntimeError("the receiver did not start")


if __name__ == "__main__":
    sys.exit(main())
