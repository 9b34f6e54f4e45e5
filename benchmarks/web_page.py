"""What the page costs a browser, and how soon it shows a picture.

    python benchmarks/web_page.py [--quick] [--output FILE.json]

Needs Chromium and chromedriver, and Linux, which tells the processor time of a thread. A sender
replays a recording of 1280 x 720 at 30 fps, `svd-patch` at its default quality, and `rankcast
receive --web` passes it on to the page, for 30 s (10 s with ``--quick``). Decoding, colours and
drawing run in one worker thread of the page.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
from command_line import finish, option_parser, say
from processes import child, free_address, receiver, sender
from record import REPOSITORY, Record, Row, at_least, at_most, rounded
from recorded_clip import record_clip

# The browser is that of the tests.
sys.path.insert(0, str(REPOSITORY / "tests"))

from support.browser import CHROMEDRIVER, CHROMIUM, browser, wait_for, wait_until

FPS: Final = 30
FRAMES: Final = 300
WARM_S: Final = 5.0
"""Left out: the browser compiles the page again while it runs."""
OPENINGS: Final = 5
WORKER: Final = "DedicatedWorker"
"""Name of the threads of workers, as the kernel keeps it."""


def worker_s(driver_pid: int) -> float:
    """Return the processor time of all workers of the browser so far."""
    ticks = 0
    for process in psutil.Process(driver_pid).children(recursive=True):
        for task in Path(f"/proc/{process.pid}/task").glob("*"):
            if (task / "comm").read_text().startswith(WORKER):
                fields = (task / "stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
    return ticks / 100


def is_live(url: str) -> bool:
    """Return True once the receiver serves a camera that is live."""
    try:
        cameras = httpx.get(f"{url}api/cameras").json()["cameras"]
    except httpx.TransportError:
        return False
    return any(camera["live"] for camera in cameras)


def first_picture_ms(driver: Any, url: str) -> float:
    """Open the page; return the time from the open socket to the first picture drawn."""
    driver.get("about:blank")
    driver.get(url)
    wait_for(driver, "performance.getEntriesByName('rankcast-first-picture').length")
    return float(
        driver.execute_script(
            "const at = (name) => performance.getEntriesByName(name)[0].startTime;"
            "return at('rankcast-first-picture') - at('rankcast-open')"
        )
    )


def measure(driver: Any, url: str, seconds: float) -> dict[str, float]:
    """Open the page a few times, then watch one camera."""
    opened = sorted(first_picture_ms(driver, url) for _ in range(OPENINGS))
    time.sleep(WARM_S)
    pid = driver.service.process.pid
    before_s, began_s = worker_s(pid), time.monotonic()
    work = (
        "const {feed} = [...rankcast.views.values()][0];"
        "return [feed.decoded, feed.decodeMs + feed.paintMs]"
    )
    decoded, work_ms = driver.execute_script(work)
    time.sleep(seconds)
    decoded_after, work_after_ms = driver.execute_script(work)
    passed_s = time.monotonic() - began_s
    used_s = worker_s(pid) - before_s
    steps = driver.execute_script("return [...rankcast.views.values()][0].meter.steps")
    latencies = sorted(one["latencyMs"] for one in steps[-int(2 * seconds) :] if one["latencyMs"])
    return {
        "first": opened[len(opened) // 2],
        "share": (work_after_ms - work_ms) / passed_s / 10,
        "thread": 100 * used_s / passed_s,
        "fps": (decoded_after - decoded) / passed_s,
        "latency": latencies[len(latencies) // 2],
    }


def main() -> int:
    """Measure the page and write the record."""
    options = option_parser(__doc__).parse_args()
    if CHROMIUM is None or CHROMEDRIVER is None:
        say("Chromium is missing: apt-get install chromium chromium-driver")
        return 2
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rate = record_clip(folder / "clip.mcap", FPS, FRAMES) * 8 * FPS / 1e6
        address, port = free_address(), free_address().rpartition(":")[2]
        source = f"replay:{folder / 'clip.mcap'}?loop=true"
        stack.enter_context(child(*sender(address, source)))
        web = f"127.0.0.1:{port}"
        stack.enter_context(child(*receiver(address, "--web", web), log=folder / "receiver.log"))
        wait_until(lambda: is_live(f"http://{web}/"), "a live camera")
        driver = stack.enter_context(browser())
        found = measure(driver, f"http://{web}/", 10.0 if options.quick else 30.0)
    record = Record(
        "web-page",
        "The page of the web address",
        f"One camera of 1280 x 720 at {FPS} fps, `svd-patch` at its default quality, replayed over "
        "loopback and shown by Chromium without a screen. Decoding and colours are timed by the "
        "clock of the worker, so that other work of the machine counts; the thread by the kernel.",
        rounded(
            [
                Row("rate of the stream", rate, "Mbit/s"),
                Row("pictures decoded", found["fps"], "fps", at_least(0.95 * FPS)),
                Row("of a core for decoding and colours", found["share"], "%", at_most(15)),
                Row("of a core for the worker thread, drawing included", found["thread"], "%"),
                Row("first picture after the socket opened, median", found["first"], "ms",
                    at_most(500)),
                Row("capture to canvas, median", found["latency"], "ms", at_most(50)),
            ]
        ),
        quick=options.quick,
    )  # fmt: skip
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
