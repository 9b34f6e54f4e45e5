"""Metrics that both ends have: release, threads, and what the kernel says of the process."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from rankcast.metrics.definition import Definition, Kind
from rankcast.metrics.exposition import Exposition, labelled
from rankcast.metrics.health import Health

INFO: Final = Definition("rankcast_info", Kind.INFO, "Release, and which end this is.")
STALLED: Final = Definition(
    "rankcast_thread_stalled_seconds", Kind.GAUGE,
    "Time for which a thread has made no progress, by the thread; 0 while it waits.", "seconds",
)  # fmt: skip
PROCESS_DEFINITIONS: Final = (INFO, STALLED)
END: Final = "# EOF\n"


class ProcessMetrics:
    """Writes them.

    Parameters
    ----------
    end : str
        ``sender`` or ``receiver``.
    health : Health
    """

    def __init__(self, end: str, health: Health) -> None:
        self._labels = labelled(
            end=end, version=version("rankcast"), python=platform.python_version()
        )
        self._health = health
        self._registry = CollectorRegistry()  # the global one belongs to the user of the library
        ProcessCollector(registry=self._registry)

    def write(self, exposition: Exposition) -> None:
        """Add the metrics of Rankcast."""
        exposition.add(INFO, 1, self._labels)
        exposition.add_all(STALLED, self._health.stalls_s(), "thread")

    def kernel_text(self, *, openmetrics: bool) -> str:
        """Return what prometheus-client reads from the kernel; empty where it cannot."""
        generate = generate_openmetrics if openmetrics else generate_latest
        text: bytes = generate(self._registry)
        return text.decode().removesuffix(END)
