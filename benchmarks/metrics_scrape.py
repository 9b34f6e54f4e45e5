"""Scrapes of metrics: what one takes of a sender with 32 cameras, and of a receiver of 64.

    python benchmarks/metrics_scrape.py [--quick] [--output FILE.json]

Two real senders publish 32 small cameras each over loopback and record them, the most that the
settings allow; a real receiver decodes and records all of them. One sender and the receiver are
scraped in turn over one connection each, as Prometheus does.
"""

from __future__ import annotations

import http.client
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from command_line import finish, option_parser
from processes import child, free_address, receiver
from record import Record, Row, at_most, rounded

CAMERAS: Final = {"sender": 32, "receiver": 64}
FPS: Final = 2
SCRAPES: Final = 300
PAUSE_S: Final = 0.05
MAX_SCRAPE_MS: Final = 20.0
START_S: Final = 60.0
ACCEPT: Final = {
    "OpenMetrics, as Prometheus asks for": "application/openmetrics-text;version=1.0.0",
    "text format": "text/plain",
}


@dataclass(slots=True)
class Scraped:
    """The scrapes of one end in one format."""

    times_ms: list[float] = field(default_factory=list)
    samples: int = 0
    bytes: int = 0


class Scraper:
    """One connection to the metrics of one process.

    Parameters
    ----------
    end : str
    pid : int
    port : int
    """

    def __init__(self, end: str, pid: int, port: int) -> None:
        self._start = f'rankcast_{end}_camera_state{{camera="c'
        self._cameras = CAMERAS[end]
        self._tasks = Path(f"/proc/{pid}/task")
        self._before_ms: dict[str, float] = {}
        self.processor_ms = 0.0
        """Of one scrape, on average of both formats."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.scraped = {name: Scraped() for name in ACCEPT}

    def ready(self) -> bool:
        """Return whether all cameras are known."""
        try:
            lines = self._get("/metrics", "text/plain").decode().splitlines()
        except OSError:
            self._connection.close()
            return False
        found = sum(line.startswith(self._start) and 'state="live"' in line for line in lines)
        return found == self._cameras

    def scrape(self) -> None:
        """Scrape once in each format."""
        for name, accept in ACCEPT.items():
            began_s = time.perf_counter()
            text = self._get("/metrics", accept)
            found = self.scraped[name]
            found.times_ms.append(1e3 * (time.perf_counter() - began_s))
            found.samples = sum(not line.startswith(b"#") for line in text.splitlines())
            found.bytes = len(text)

    def begin(self) -> None:
        """Note what the threads have used until now, and begin a new connection."""
        self._connection.close()  # the server has closed one that was idle meanwhile
        self._before_ms = self._used_ms()

    def end(self) -> None:
        """Take the thread that has worked most since then for that of the server."""
        used_ms = self._used_ms()
        most_ms = max(used_ms[task] - self._before_ms.get(task, 0.0) for task in used_ms)
        self.processor_ms = most_ms / sum(len(one.times_ms) for one in self.scraped.values())

    def _used_ms(self) -> dict[str, float]:
        """Return the processor time of each thread."""
        return {
            task.name: float((task / "schedstat").read_text("ascii").split()[0]) / 1e6
            for task in self._tasks.iterdir()
        }

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _get(self, path: str, accept: str) -> bytes:
        self._connection.request("GET", path, headers={"Accept": accept})
        return self._connection.getresponse().read()


def settings(folder: Path) -> Path:
    """Write the settings of a sender."""
    cameras = "".join(
        f'[[camera]]\nname = "c{number:02d}"\n'
        f'source = "synthetic:conveyor?width=64&height=48&fps={FPS}"\n'
        for number in range(CAMERAS["sender"])
    )
    path = folder / "sender.toml"
    path.write_text(f'{cameras}\n[codec]\nname = "jpeg"\n', encoding="utf-8")
    return path


def measure(scrapes: int) -> dict[str, Scraper]:
    """Scrape a running sender and its receiver."""
    addresses = [free_address(), free_address()]
    ports = [int(free_address().rpartition(":")[2]) for _ in range(3)]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        stations = [
            stack.enter_context(child(
                "rankcast_sender", "--config", str(settings(folder)), "--bind", address,
                "--record", str(folder / f"sent{port}.mcap"), "--metrics", f"127.0.0.1:{port}",
            ))
            for address, port in zip(addresses, ports[1:], strict=True)
        ]  # fmt: skip
        viewer = stack.enter_context(child(*receiver(
            addresses[0], "--connect", addresses[1], "--record", str(folder / "received.mcap"),
            "--metrics", f"127.0.0.1:{ports[0]}",
        )))  # fmt: skip
        scrapers = {
            "sender": Scraper("sender", stations[0].pid, ports[1]),
            "receiver": Scraper("receiver", viewer.pid, ports[0]),
        }
        for scraper in scrapers.values():
            stack.callback(scraper.close)
        until_s = time.monotonic() + START_S
        for end, scraper in scrapers.items():
            while not scraper.ready():
                if time.monotonic() > until_s:
                    raise SystemExit(f"not all cameras of the {end} were known in {START_S:g} s")
                time.sleep(PAUSE_S)
        for scraper in scrapers.values():
            scraper.begin()
            for _ in range(scrapes):
                scraper.scrape()
            scraper.end()
        return scrapers


def rows(scrapers: dict[str, Scraper]) -> list[Row]:
    """Return the figures."""
    found = []
    for end, scraper in scrapers.items():
        for name, scraped in scraper.scraped.items():
            what, times = f"{end}, {name}", sorted(scraped.times_ms)
            found += [
                Row(f"{what}: median of a scrape", statistics.median(times), "ms",
                    at_most(MAX_SCRAPE_MS)),
                Row(f"{what}: 95 % of scrapes within", times[int(0.95 * len(times))], "ms"),
            ]  # fmt: skip
        found += [
            Row(
                f"{end}: processor time of a scrape",
                scraper.processor_ms,
                "ms",
                at_most(MAX_SCRAPE_MS),
            ),
            Row(f"{end}: samples of a scrape", scraped.samples),
            Row(f"{end}: size of a scrape", scraped.bytes / 1e3, "kB"),
        ]
    return found


def main() -> int:
    """Measure and write the record."""
    options = option_parser(__doc__).parse_args()
    record = Record(
        "metrics-scrape",
        "Scrapes of the metrics of 64 cameras",
        f"Two senders of {CAMERAS['sender']} cameras of 64 x 48 at {FPS} fps each, and a receiver"
        " of both, all of them recording; one sender and the receiver are scraped over one"
        " connection each, one scrape after the other, from the request to the last byte.",
        rounded(rows(measure(20 if options.quick else SCRAPES)), 3),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
