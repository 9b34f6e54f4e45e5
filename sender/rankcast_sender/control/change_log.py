"""ChangeLog: which client changed which setting, in a bounded number of log lines."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from rankcast.frame import Scalar

log = logging.getLogger(__name__)

LINE_INTERVAL_S: Final = 1.0
"""At most one line in this time for each client of each camera."""


@dataclass(slots=True)
class _Author:
    """Changes that one client made to one camera."""

    logged_s: float
    pending: int = 0
    """Number of changes since the last line."""
    values: dict[str, Scalar] = field(default_factory=dict)
    """Newest value of each name with a pending change."""


class ChangeLog:
    """Log setting changes by client and camera: the first at once, then at most a line a second.

    A client that changes a setting a thousand times a second cannot fill the disk, and the last
    line still shows the values in effect.

    Parameters
    ----------
    now_s : callable
        Monotonic clock.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._authors: dict[tuple[str, str], _Author] = {}
        self._closed = False
        self._lock = threading.Lock()

    def add(
        self, camera: str, client: str, before: Mapping[str, Scalar], after: Mapping[str, Scalar]
    ) -> None:
        """Record that `client` set the values `after`; those equal to `before` did not change."""
        changed = {name: value for name, value in after.items() if before.get(name) != value}
        if not changed:
            return
        now = self._now_s()
        with self._lock:
            author = self._authors.setdefault((camera, client), _Author(float("-inf")))
            # In the order of the last change.
            author.values = {k: v for k, v in author.values.items() if k not in changed} | changed
            author.pending += 1
            self._log_if_due(camera, client, author, now)

    def tick(self) -> None:
        """Log pending changes that are due; call it about once a second."""
        now = self._now_s()
        with self._lock:
            for (camera, client), author in list(self._authors.items()):
                self._log_if_due(camera, client, author, now)
                if not author.pending and now - author.logged_s >= LINE_INTERVAL_S:
                    del self._authors[camera, client]

    def close(self) -> None:
        """Log all pending changes; later changes are logged at once."""
        with self._lock:
            self._closed = True
            for (camera, client), author in self._authors.items():
                self._log_if_due(camera, client, author, self._now_s())
            self._authors.clear()

    def _log_if_due(self, camera: str, client: str, author: _Author, now_s: float) -> None:
        due = self._closed or now_s - author.logged_s >= LINE_INTERVAL_S
        if not due or not author.pending:
            return
        values = ", ".join(f"{name} = {_text(value)}" for name, value in author.values.items())
        more = f" ({author.pending} changes since the last line)" if author.pending > 1 else ""
        log.info("%s: %s set %s%s", camera, client, values, more)
        author.logged_s, author.pending, author.values = now_s, 0, {}


def _text(value: Scalar) -> str:
    return value if isinstance(value, str) else repr(value)
