"""ChangeLog: what the station's log says of them, however often somebody makes one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from rankcast.frame import Scalar
from rankcast.printable import printable

log = logging.getLogger(__name__)

LINE_INTERVAL_S: Final = 1.0


@dataclass(slots=True)
class _Author:
    """One client of one camera."""

    told_s: float
    unsaid: int = 0
    values: dict[str, Scalar] = field(default_factory=dict)
    """The last of each that was not said, at most one for every name that can be changed."""


class ChangeLog:
    """Says who changed what at which camera: the first change at once, then one line a second.

    A client that changes something a thousand times a second fills no disk, and the log still
    ends with the values in force.

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
        self, camera: str, who: str, before: Mapping[str, Scalar], after: Mapping[str, Scalar]
    ) -> None:
        """Take in that `who` set `after`; what has its value of `before` is no change."""
        changed = {name: value for name, value in after.items() if before.get(name) != value}
        if not changed:
            return
        now = self._now_s()
        with self._lock:
            author = self._authors.setdefault((camera, who), _Author(float("-inf")))
            # In the order of the last change.
            author.values = {k: v for k, v in author.values.items() if k not in changed} | changed
            author.unsaid += 1
            self._say_if_due(camera, who, author, now)

    def tick(self) -> None:
        """Say what is due; to be called about once a second."""
        now = self._now_s()
        with self._lock:
            for (camera, who), author in list(self._authors.items()):
                self._say_if_due(camera, who, author, now)
                if not author.unsaid and now - author.told_s >= LINE_INTERVAL_S:
                    del self._authors[camera, who]

    def close(self) -> None:
        """Say what is left; from then on every change is said at once."""
        with self._lock:
            self._closed = True
            for (camera, who), author in self._authors.items():
                self._say_if_due(camera, who, author, self._now_s())
            self._authors.clear()

    def _say_if_due(self, camera: str, who: str, author: _Author, now_s: float) -> None:
        due = self._closed or now_s - author.told_s >= LINE_INTERVAL_S
        if not due or not author.unsaid:
            return
        told = ", ".join(f"{name} = {printable(value)}" for name, value in author.values.items())
        more = f" ({author.unsaid} changes since the last line)" if author.unsaid > 1 else ""
        log.info("%s: %s set %s%s", camera, who, told, more)
        author.told_s, author.unsaid, author.values = now_s, 0, {}
