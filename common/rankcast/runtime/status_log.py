"""StatusLog: logs status lines on changes and at intervals."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from rankcast.runtime.log_limiter import LogLimiter
from rankcast.runtime.logs import log_handler

log = logging.getLogger(__name__)

CHANGE_BURST: Final = 10
"""Changes logged at once. Flapping facts, such as a viewer that reconnects every second, are logged
`CHANGE_BURST` times per status interval on average."""


@dataclass(slots=True)
class _Subject:
    limiter: LogLimiter
    facts: Hashable
    logged_s: float


class StatusLog:
    """Logs the status of cameras without flooding the log.

    On a terminal all cameras share a status line that is redrawn in place; elsewhere a line is
    logged when the facts change, and once per interval.

    Parameters
    ----------
    interval_s : float
        Longest time between two lines of one subject.
    now_s : callable
        Clock, replaceable in tests.
    """

    def __init__(
        self, interval_s: float = 60.0, *, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval_s = interval_s
        self._now_s = now_s
        self._subjects: dict[str, _Subject] = {}
        self._shown: set[str] = set()
        self._lock = threading.Lock()

    def report(self, subject: str, facts: Hashable, text: str) -> None:
        """Report the current status; call it about once a second for each subject.

        Parameters
        ----------
        subject : str
            Name of the camera.
        facts : hashable
            Values whose change is logged: viewers, state, causes of loss, but no running totals.
        text : str
            Complete line.
        """
        if not log.isEnabledFor(logging.INFO):
            return
        handler = log_handler()
        if handler is not None and handler.has_status_line:
            with self._lock:
                self._shown.add(subject)
            handler.show_status(subject, text)
        elif self._is_due(subject, facts):
            log.info("%s", text)

    def _is_due(self, subject: str, facts: Hashable) -> bool:
        now_s = self._now_s()
        with self._lock:
            known = self._subjects.get(subject)
            if known is None:
                limiter = LogLimiter(
                    self._interval_s / CHANGE_BURST, CHANGE_BURST, now_s=self._now_s
                )
                self._subjects[subject] = _Subject(limiter, facts, now_s)
                return True
            overdue = now_s - known.logged_s >= self._interval_s
            if not overdue and (known.facts == facts or not known.limiter.may_log()):
                return False
            known.facts, known.logged_s = facts, now_s
            return True

    def close(self) -> None:
        """Remove the status line; may be called twice."""
        with self._lock:
            shown, self._shown = self._shown, set()
        handler = log_handler()
        if handler is not None:
            for subject in shown:
                handler.clear_status(subject)
