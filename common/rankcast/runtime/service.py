"""ServiceManager: what a service manager is told about this process, by the protocol of systemd.

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
from collections.abc import Iterable
from types import TracebackType
from typing import Final

from rankcast.errors import SettingsError
from rankcast.printable import printable
from rankcast.runtime.pulse import Pulse

log = logging.getLogger(__name__)

START_S: Final = 300.0
"""Kernels may have to be compiled at the first start."""
LEAST_WATCHDOG_S: Final = 4.0
"""Half of it is the longest silence of a thread, and some poll once a second."""
COMPLAINT_INTERVAL_S: Final = 1.0
MAX_STATUS_CHARS: Final = 200


class ServiceManager:
    """Tells systemd, or what speaks like it, that this process is ready, well, and stopping.

    Where no ``NOTIFY_SOCKET`` is set nothing is told to anybody. With a watchdog
    (``WATCHDOG_USEC``) a fatal signal, with which that ends a process, prints the stack of every
    thread first.

    Raises
    ------
    SettingsError
        If the environment names a socket or an interval that cannot be used.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._watchdog_s = 0.0
        self._fed_s = self._complained_s = float("-inf")
        self._lost = False
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        if not self._address:
            return
        if self._address[0] not in "/@" or not hasattr(socket, "AF_UNIX"):
            raise SettingsError(
                f"got NOTIFY_SOCKET {printable(self._address)!r:.60}, want a path or @NAME"
            )
        self._watchdog_s = _watchdog_s()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        if self._watchdog_s:
            faulthandler.enable()

    @property
    def watchdog_s(self) -> float:
        """Seconds after which the manager ends a process that says nothing; 0 is never."""
        return self._watchdog_s

    def starting(self) -> None:
        """Ask for the time that a first start may take."""
        self._tell(f"EXTEND_TIMEOUT_USEC={START_S * 1e6:.0f}")

    def ready(self) -> None:
        """Say that the start is over, and that all is well."""
        self._tell("READY=1")

    def say(self, status: str) -> None:
        """Say in a few words how it goes; `systemctl status` shows it."""
        self._tell(f"STATUS={printable(status)[:MAX_STATUS_CHARS]}")

    def stopping(self) -> None:
        """Say that the end has begun; the watchdog waits no more."""
        self._tell("STOPPING=1")

    def feed(self, pulses: Iterable[Pulse]) -> None:
        """Feed the watchdog, unless a thread is silent for half of its interval.

        To be called several times in each interval. Who feeds it from a timer hides what it is for.
        """
        now_s = time.monotonic()
        if not self._watchdog_s or now_s - self._fed_s < self._watchdog_s / 4:
            return
        silent = [p for p in pulses if p.silent_s(now_s) > self._watchdog_s / 2]
        if not silent:
            self._fed_s = now_s
            self._tell("WATCHDOG=1")
        elif now_s - self._complained_s >= COMPLAINT_INTERVAL_S:
            self._complained_s = now_s
            told = ", ".join(f"{p.name} for {p.silent_s(now_s):.1f} s" for p in silent)
            log.error("THREADS DO NOT MOVE (%s): the watchdog is not fed", told)

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

    def _tell(self, message: str) -> None:
        if self._socket is None:
            return
        address = self._address
        try:
            # A leading @ is a name without a file: NUL in the system's own spelling.
            self._socket.sendto(
                message.encode(), "\0" + address[1:] if address[0] == "@" else address
            )
            self._lost = False
        except OSError as exc:
            # Its queue is full, or it restarts: what counts is said again soon.
            if not self._lost:
                log.warning("the service manager takes no message: %s", exc.strerror)
            self._lost = True


def _watchdog_s() -> float:
    """Interval of the watchdog; 0 where there is none, or where it is another process's."""
    text = os.environ.get("WATCHDOG_USEC", "")
    if not text or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:18]) < 10**15:
        raise SettingsError(f"got WATCHDOG_USEC {printable(text)!r:.40}, want microseconds")
    interval_s = int(text) / 1e6
    if interval_s < LEAST_WATCHDOG_S:
        raise SettingsError(
            f"got a watchdog of {interval_s:g} s, want at least {LEAST_WATCHDOG_S:g}: WatchdogSec="
        )
    return interval_s
