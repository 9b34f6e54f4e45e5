"""Senders of one camera with substreams, and subscribers that note which stream they show."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rankcast.frame import Coding
from rankcast_receiver import Subscriber
from support.fakes import free_address
from support.processes import Rankcast, rankcast, read_report


@dataclass(frozen=True)
class Station:
    """A sender of one camera with substreams."""

    process: Rankcast
    address: str
    file: Path

    def end(self) -> dict[str, Any]:
        """End the sender and return the entry of its camera in the report."""
        assert self.process.stop(signal.SIGTERM, within_s=5.0) == 0
        report = read_report(self.file)
        assert report["balanced"], report
        entry: dict[str, Any] = report["cameras"]["line3"]
        return entry


@contextmanager
def station(
    folder: Path, streams: str, source: str = "width=320&height=240&fps=20", codec: str = "",
    address: str | None = None,
) -> Iterator[Station]:  # fmt: skip
    """Start a sender; end it with the block, whatever happens."""
    address, file = address or free_address(), folder / "sent.json"
    settings = folder / "sender.toml"
    settings.write_text(
        f'[camera]\nname = "line3"\nsource = "synthetic:conveyor?{source}"\n{streams}\n'
        f'[network]\nbind = "{address}"\n[discovery]\nenabled = false\n{codec}'
    )
    with rankcast("send", "--config", str(settings), "--report", str(file)) as process:
        process.wait_line("control channel")
        yield Station(process, address, file)


def stream(name: str, more: str = 'scale = "1/2"') -> str:
    """Return the settings of a substream."""
    return f'[[camera.stream]]\nname = "{name}"\n{more}\n'


class Watcher:
    """A subscriber in a thread, which notes time, stream and age of every frame."""

    def __init__(self, address: str, stream: str = "auto", **options: Any) -> None:
        self.seen: list[tuple[float, str, float]] = []
        self.coding: Coding | None = None
        """Of the newest frame."""
        self._address, self._stream, self._options = address, stream, options
        self._stop = threading.Event()
        self.result: Any = None
        self.reconnects = 0
        self._thread = threading.Thread(target=self._run, name="viewer")
        self._thread.start()

    def _run(self) -> None:
        options = {"camera": "line3", "timeout_s": 60, **self._options}
        with Subscriber(self._address, stream=self._stream, stopped=self._stop.is_set,
                        **options) as subscriber:  # fmt: skip
            for frame in subscriber:
                self.coding = frame.coding
                age_ms = (time.time_ns() - frame.t_capture_utc_ns) / 1e6
                self.seen.append((time.monotonic(), frame.stream, age_ms))
            self.result = subscriber.balance(), subscriber.choices.get("line3")
            self.reconnects = subscriber.reconnects

    def wait_more(self, count: int, within_s: float = 20.0) -> None:
        """Wait for `count` frames from now on."""
        before = len(self.seen)
        self.wait(lambda: len(self.seen) >= before + count, within_s)

    def wait(self, true: Callable[[], bool], within_s: float) -> float:
        began = time.monotonic()
        while not true():
            assert time.monotonic() < began + within_s, self.seen[-3:]
            assert self._thread.is_alive()
            time.sleep(0.05)  # the sampling interval
        return time.monotonic() - began

    def shows(self, name: str) -> bool:
        return bool(self.seen) and self.seen[-1][1] == name

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
