"""Real relays for system tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from support.fakes import free_address
from support.processes import Rankcast, rankcast, read_report


class Relay:
    """A real `rankcast relay` with a report."""

    def __init__(self, process: Rankcast, address: str, report: Path) -> None:
        self.process = process
        self.address = address
        self.report_file = report
        self.pid = process.process.pid

    def stop(self) -> dict[str, Any]:
        """Send SIGTERM; the process must exit with 0. Return its report, which must balance."""
        assert self.process.stop(signal.SIGTERM) == 0, self.process.lines
        report = read_report(self.report_file)
        assert report["balanced"], report
        assert report["published"] == report["forwarded"] + sum(report["lost"].values())
        return report


ROOMY: Final = ("--set", "network.queue_messages=256")
"""Of a sender and a relay whose viewers may lose nothing on the way, however long these wait for a
processor: by default a queue holds four frames, 0.13 s at 30 a second."""


@contextmanager
def relaying(
    folder: Path, *senders: str, options: tuple[str, ...] = (), address: str | None = None,
    **environment: str,
) -> Iterator[Relay]:  # fmt: skip
    """Start a relay; end it with the block, whatever happens."""
    address = address or free_address()
    report = folder / f"relayed-{len(list(folder.glob('relayed-*')))}.json"
    report.touch()
    uplinks = [word for sender in senders for word in ("--from", sender)]
    with rankcast(*uplinks, "--to", address, "--report", str(report), *options,
                  module="rankcast_relay", **environment) as process:  # fmt: skip
        process.wait_line("control channel")
        yield Relay(process, address, report)
