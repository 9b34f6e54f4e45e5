"""ViewerReports: losses and latency that the viewers of one camera report."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

MAX_VIEWERS: Final = 1000
FORGOTTEN_S: Final = 5.0
"""Viewers report once a second; one that has not reported for this long counts as gone."""


@dataclass(frozen=True, slots=True)
class ViewerReport:
    """Figures reported by one viewer since it joined."""

    delivered: int
    lost: int
    latency_p99_ms: float | None = None
    latency_error_ms: float | None = None
    network_lost: int = 0
    """Those of `lost` that never arrived."""
    late_ms: float | None = None
    """How late the quickest message of the last second arrived, beside the quickest one before;
    None if there was none."""


@dataclass(frozen=True, slots=True)
class ViewerTotal:
    """Summary of all viewers that report."""

    viewers: int
    lost: int
    """Sum over the viewers."""
    latency_p99_ms: float | None
    """Highest value that any viewer reported; None if no viewer measured it."""


class ViewerReports:
    """Newest report of each connection, for a bounded number of connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reports: dict[bytes, tuple[float, ViewerReport]] = {}

    def put(self, viewer: bytes, report: ViewerReport, now_s: float) -> bool:
        """Store the newest report of `viewer`; return False if too many others report."""
        with self._lock:
            if viewer not in self._reports and len(self._reports) >= MAX_VIEWERS:
                self._forget(now_s)
                if len(self._reports) >= MAX_VIEWERS:
                    return False
            self._reports[viewer] = (now_s, report)
            return True

    def total(self, now_s: float) -> ViewerTotal:
        """Summarise the viewers that still report."""
        with self._lock:
            self._forget(now_s)
            reports = [report for _, report in self._reports.values()]
        latencies = [r.latency_p99_ms for r in reports if r.latency_p99_ms is not None]
        return ViewerTotal(
            len(reports), sum(report.lost for report in reports), max(latencies, default=None)
        )

    def _forget(self, now_s: float) -> None:
        gone = [v for v, (at_s, _) in self._reports.items() if now_s - at_s > FORGOTTEN_S]
        for viewer in gone:
            del self._reports[viewer]
