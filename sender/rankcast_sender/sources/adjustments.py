"""Adjustments: changes to a running source, handed to the thread that owns it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from rankcast.errors import one_line
from rankcast.frame import Scalar
from rankcast.runtime import Pulse

MAX_WAITING: Final = 8
"""Clients wait for each reply, so a longer queue means that the source is stuck."""
_ONCE: Final = ("trigger", "once")

Done = Callable[[Mapping[str, Scalar], str], None]
"""Called in the grab thread with the values in force and, if nothing changed, the reason."""


@dataclass(frozen=True, slots=True)
class _Change:
    values: Mapping[str, Scalar]
    done: Done


class Adjustments:
    """Changes queued for the grab thread, and the values in force.

    Parameters
    ----------
    values : mapping
        The adjustable values, as the device reports them.
    on_ask : callable, optional
        Called after a change was queued, by a source whose thread waits elsewhere than in `wait`.
    """

    def __init__(
        self, values: Mapping[str, Scalar], *, on_ask: Callable[[], None] = lambda: None
    ) -> None:
        self._on_ask = on_ask
        self.pulse = Pulse("grab")
        """Pulse of the grab thread, which also beats while it waits for a trigger."""
        self._values: Mapping[str, Scalar] = MappingProxyType(dict(values))
        self._requested: dict[str, Scalar] = {}
        self._changes: deque[_Change] = deque()
        self._changed = threading.Condition()
        self._closed = False

    @property
    def values(self) -> Mapping[str, Scalar]:
        """The adjustable values, as the device last reported them."""
        return self._values

    @property
    def requested(self) -> Mapping[str, Scalar]:
        """What was asked for and accepted, without commands such as a trigger that fires once."""
        return dict(self._requested)

    def opened(self, values: Mapping[str, Scalar]) -> None:
        """Set the values that a device reports, after it was opened or answered late."""
        self._values = MappingProxyType(dict(values))

    def ask(self, values: Mapping[str, Scalar], done: Done) -> bool:
        """Queue a change of all `values` or none; False if the queue is full or closed."""
        with self._changed:
            if self._closed or len(self._changes) >= MAX_WAITING:
                return False
            self._changes.append(_Change(values, done))
            self._changed.notify_all()
        self._on_ask()
        return True

    def wait(self, timeout_s: float) -> None:
        """Wait for a change or `wake`, at most `timeout_s`."""
        with self._changed:
            if not self._changes and not self._closed:
                self._changed.wait(timeout_s)

    def wake(self) -> None:
        """Interrupt a `wait`; may be called from any thread."""
        with self._changed:
            self._changed.notify_all()

    def serve(self, apply: Callable[[Mapping[str, Scalar]], Mapping[str, Scalar]]) -> None:
        """Apply the queued changes; called in the grab thread, between two frames.

        Parameters
        ----------
        apply : callable
            Takes the requested values and returns all values as read back; raises if it changed
            nothing.
        """
        while True:
            self.pulse.beat()
            with self._changed:
                if not self._changes:
                    return
                change = self._changes.popleft()
            why = ""
            try:
                self._values = MappingProxyType(dict(apply(change.values)))
            except Exception as exc:
                # A driver that raises something of its own must not end the stream.
                why = one_line(exc)
            else:
                self._remember(change.values)
            change.done(self._values, why)

    def _remember(self, wanted: Mapping[str, Scalar]) -> None:
        for name, value in wanted.items():
            # A command, which has no value, must not be carried out again.
            if (name, value) != _ONCE and self._values.get(name) != "":
                self._requested[name] = value

    def close(self) -> None:
        """Reject the queued changes and all later ones."""
        with self._changed:
            self._closed = True
            left = list(self._changes)
            self._changes.clear()
            self._changed.notify_all()
        for change in left:
            change.done(self._values, "the camera was closed before the change was applied")
