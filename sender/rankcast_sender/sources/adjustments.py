"""Adjustments: changes to a source while it runs, handed to the thread that owns it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from rankcast.errors import RankcastError
from rankcast.frame import Scalar
from rankcast.runtime import Pulse

MAX_WAITING: Final = 8

Done = Callable[[Mapping[str, Scalar], str], None]
"""Called in the grab thread with the values in force, and why nothing was changed."""


@dataclass(frozen=True, slots=True)
class _Change:
    values: Mapping[str, Scalar]
    done: Done


class Adjustments:
    """ChangeLog that wait for the grab thread, and the values that are in force.

    Parameters
    ----------
    values : mapping
        What can be changed, with its value as the device reports it.
    """

    def __init__(self, values: Mapping[str, Scalar]) -> None:
        self.pulse = Pulse("grab")
        """Of the grab thread: a source that waits for a trigger serves changes all the same."""
        self._values: Mapping[str, Scalar] = MappingProxyType(dict(values))
        self._changes: deque[_Change] = deque()
        self._changed = threading.Condition()
        self._closed = False

    @property
    def values(self) -> Mapping[str, Scalar]:
        """What can be changed, as the device reported it last."""
        return self._values

    def ask(self, values: Mapping[str, Scalar], done: Done) -> bool:
        """Want `values`, all or none; False when too many changes wait or the source is closed."""
        with self._changed:
            if self._closed or len(self._changes) >= MAX_WAITING:
                return False
            self._changes.append(_Change(values, done))
            self._changed.notify_all()
            return True

    def wait(self, timeout_s: float) -> None:
        """Wait for a change or `wake`, at most `timeout_s`."""
        with self._changed:
            if not self._changes and not self._closed:
                self._changed.wait(timeout_s)

    def wake(self) -> None:
        """End a `wait`; may be called from any thread."""
        with self._changed:
            self._changed.notify_all()

    def serve(self, apply: Callable[[Mapping[str, Scalar]], Mapping[str, Scalar]]) -> None:
        """Make the changes that wait; called in the grab thread, between two frames.

        Parameters
        ----------
        apply : callable
            Takes the wanted values, returns all values as read back; raises RankcastError when it
            changed nothing.
        """
        self.pulse.beat()
        while True:
            with self._changed:
                if not self._changes:
                    return
                change = self._changes.popleft()
            why = ""
            try:
                self._values = MappingProxyType(dict(apply(change.values)))
            except RankcastError as exc:
                why = str(exc)
            change.done(self._values, why)

    def close(self) -> None:
        """Refuse further changes and those that wait."""
        with self._changed:
            self._closed = True
            left = list(self._changes)
            self._changes.clear()
            self._changed.notify_all()
        for change in left:
            change.done(self._values, "the camera was closed meanwhile")
