"""ServiceManager: notifies systemd or a service manager with the same protocol.

References
----------
sd_notify(3), sd_watchdog_enabled(3): https://www.freedesktop.org/software/systemd/man/
"""

from __future__ import annotations

import faulthandler
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final

from rankcast.atomic_file import os_reason
from rankcast.errors import SettingsError
from rankcast.printable import printable
from rankcast.runtime.log_limiter import LogLimiter
from rankcast.runtime.pulse import Pulse

log = logging.getLogger(__name__)

START_S: Final = 300.0
"""Time requested for the start, because the first one may have to compile kernels."""
LEAST_WATCHDOG_S: Final = 4.0
"""Shortest watchdog interval: a thread may stall for half of it, and some poll once a second."""
MAX_STATUS_CHARS: Final = 200


class ServiceManager:
    """Notifies the service manager that this process is ready, alive, and stopping.

    Without ``NOTIFY_SOCKET`` every call does nothing. With a watchdog (``WATCHDOG_USEC``), the
    fatal signal that ends a stalled process first prints the stack of every thread.

    Parameters
    ----------
    now_s : callable
        Clock, replaceable in tests.

    Raises
    ------
    SettingsError
        If the environment names an invalid socket or interval.
    """

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._socket: socket.socket | None = None
        self._watchdog_s = 0.0
        self._notified_s = float("-inf")
        self._stalled_log = LogLimiter(now_s=now_s)
        self._is_lost = False
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        if not self._address:
            return
        if self._address[0] not in "/@" or not hasattr(socket, "AF_UNIX"):
            raise SettingsError(f"got NOTIFY_SOCKET {self._address!r:.60}, want a path or @NAME")
        self._watchdog_s = _watchdog_s()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        if self._watchdog_s:
            faulthandler.enable()

    @property
    def watchdog_s(self) -> float:
        """Seconds without a notification until the manager kills the process; 0 is never."""
        return self._watchdog_s

    def starting(self) -> None:
        """Request the time that a first start may take."""
        self._notify(f"EXTEND_TIMEOUT_USEC={START_S * 1e6:.0f}")

    def ready(self) -> None:
        """Report that start-up is complete."""
        self._notify("READY=1")

    def show_status(self, status: str) -> None:
        """Set the short text that `systemctl status` shows."""
        self._notify(f"STATUS={printable(status)[:MAX_STATUS_CHARS]}")

    def stopping(self) -> None:
        """Report that the process is shutting down, which disables the watchdog."""
        self._notify("STOPPING=1")

    def notify_watchdog(self, pulses: Iterable[Pulse]) -> None:
        """Notify the watchdog, unless a thread has stalled for half of its interval.

        Call it several times per interval from the main loop; a timer would continue even if the
        main loop hung.
        """
        now_s = self._now_s()
        if not self._watchdog_s or now_s - self._notified_s < self._watchdog_s / 4:
            return
        stalled = [p for p in pulses if p.silent_s(now_s) > self._watchdog_s / 2]
        if not stalled:
            self._notified_s = now_s
            self._notify("WATCHDOG=1")
        elif self._stalled_log.may_log():
            stalls = ", ".join(
                f"thread {p.name} has stalled for {p.silent_s(now_s):.1f} s" for p in stalled
            )
            log.error("%s: watchdog not notified", stalls)

    def close(self) -> None:
        """Release the socket; may be called twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> ServiceManager:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping()
        self.close()

    def _notify(self, message: str) -> None:
        if self._socket is None:
            return
        address = self._address
        try:
            # A leading @ stands for NUL: the name of an abstract socket.
            self._socket.sendto(
                message.encode(), "\0" + address[1:] if address[0] == "@" else address
            )
            self._is_lost = False
        except OSError as exc:
            # The manager's queue is full, or it is restarting; the next notification follows soon.
            if not self._is_lost:
                log.warning("cannot notify the service manager: %s", os_reason(exc))
            self._is_lost = True


def _watchdog_s() -> float:
    """Return the interval of the watchdog; 0 without one, or if it watches another process."""
    text = os.environ.get("WATCHDOG_USEC", "")
    if not text or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:18]) < 10**15:
        raise SettingsError(f"got WATCHDOG_USEC {text!r:.40}, want microseconds")
    interval_s = int(text) / 1e6
    if interval_s < LEAST_WATCHDOG_S:
        raise SettingsError(
            f"got a watchdog of {interval_s:g} s, want at least {LEAST_WATCHDOG_S:g}: WatchdogSec="
        )
    return interval_s
