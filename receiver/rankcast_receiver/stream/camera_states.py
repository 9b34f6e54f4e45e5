"""CameraStates: the current states of all cameras, with change notification and logging."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.runtime import LogLimiter
from rankcast_receiver.state import CameraState, LinkFacts, State
from rankcast_receiver.stream.sender_streams import SenderStreams

log = logging.getLogger(__name__)

FLUTTER_S: Final = 5.0
"""Shortest time between log lines of one camera: without an announced frame rate, a stream slower
than one frame a second turns stale between any two frames."""
LOG_BURST: Final = 20
"""Sender-reported states may change at any rate."""
_NORMAL: Final = (State.LIVE, State.OPENING, State.WAITING_FOR_TRIGGER)


class CameraStates:
    """States of all cameras of a receiver.

    Parameters
    ----------
    on_change : callable
        Called with all states when one of them has changed.
    """

    def __init__(
        self, on_change: Callable[[Sequence[CameraState]], object] = lambda _: None
    ) -> None:
        self.current: tuple[CameraState, ...] = ()
        """The latest states; may be read from any thread."""
        self._on_change = on_change
        self._log_limiter = LogLimiter(burst=LOG_BURST)
        self._logged: dict[tuple[str, str], tuple[State, float]] = {}

    def update(self, senders: Sequence[SenderStreams], links: Sequence[LinkFacts]) -> None:
        """Judge all cameras again, and log the states that have changed."""
        states = tuple(
            state
            for sender, link in zip(senders, links, strict=True)
            for state in sender.states(link)
        )
        changed = [(s.camera, s.state) for s in states] != [
            (s.camera, s.state) for s in self.current
        ]
        self.current = states
        if changed:
            for state in states:
                self._log(state)
            self._on_change(states)

    def _log(self, state: CameraState) -> None:
        key = (state.endpoint, state.camera)
        before, logged_s = self._logged.get(key, (State.CONNECTING, float("-inf")))
        now_s = boot_s()
        if state.state is before:
            return
        quickly = now_s - logged_s < FLUTTER_S
        flutter = state.state is State.STALE and before is State.LIVE and quickly
        if flutter or state.state in (State.CONNECTING, State.ENDED):
            return
        # A change not logged now is logged with the next one.
        if not self._log_limiter.may_log():
            return
        self._logged[key] = (state.state, now_s)
        level = logging.INFO if state.state in _NORMAL else logging.WARNING
        log.log(level, "%s: %s", state.camera or state.endpoint, state)
