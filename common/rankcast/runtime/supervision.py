"""The loop of a main thread that watches over the threads of its process."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final, Protocol

from rankcast.runtime.pulse import Pulse
from rankcast.runtime.service import ServiceManager
from rankcast.runtime.status_log import StatusLog

STATUS_INTERVAL_S: Final = 1.0
"""Status is computed once a second, whether or not it is logged."""
POLL_S: Final = 0.1


class Supervised(Protocol):
    """What runs, as its main thread sees it."""

    @property
    def ended(self) -> bool:
        """True once nothing runs any more, or a signal has come."""

    @property
    def pulses(self) -> Iterable[Pulse]:
        """Pulses of the threads that run."""

    def check(self) -> None:
        """Raise the failure of a thread that has ended."""

    def wait(self, timeout_s: float) -> None:
        """Wait for an end, and settle what has ended."""

    def report(self, status_log: StatusLog, elapsed_s: float) -> str:
        """Log the status, with rates over `elapsed_s`; return the line for the service manager."""


def supervise(
    supervised: Supervised, manager: ServiceManager, pulse: Pulse, status_interval_s: float
) -> None:
    """Watch over all threads and report the status until the end.

    Parameters
    ----------
    supervised : Supervised
    manager : ServiceManager
        Is told that the threads make progress, and the status.
    pulse : Pulse
        Of the thread that calls.
    status_interval_s : float
        Longest time between two logged lines of the same status.
    """
    status_log = StatusLog(status_interval_s)
    reported_s = time.monotonic()
    try:
        while not supervised.ended:
            pulse.beat()
            supervised.check()
            manager.notify_watchdog(supervised.pulses)
            supervised.wait(POLL_S)
            now_s = time.monotonic()
            if (elapsed_s := now_s - reported_s) >= STATUS_INTERVAL_S:
                manager.show_status(supervised.report(status_log, elapsed_s))
                reported_s = now_s
    finally:
        pulse.rest()
        status_log.close()
