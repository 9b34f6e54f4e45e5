"""Patience: how long a server may take to answer before it counts as gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BEAT_S: Final = 1.0
STALE_S: Final = 5
"""A server that does not answer for this long is given up, as are peers over ZeroMQ."""
CLUSTER_BEAT_S: Final = 0.25
CLUSTER_STALE_S: Final = 1.0
"""The same where another server can take over: leaving one that hangs for a moment costs little."""
LOOK_S: Final = 0.1
"""Progress is looked for this often while an answer is awaited."""
MAX_READING_S: Final = 5.0
"""Longest time that a server is given to read what was sent before."""
LITTLE_BYTES: Final = 8192
"""Less than this is read at once, and says nothing about the rate of the link."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes of one connection so far."""

    received_bytes: int = 0
    written_bytes: int = 0
    acknowledged_bytes: int = 0
    """Those of `written_bytes` that have left this machine and arrived at the next."""


class Patience:
    """Tells a server that is gone from one that has not yet read what was sent before a ping.

    The ping waits behind frames: on a narrow link for longer than a server that is gone may keep a
    sender waiting. Signs of life are bytes that arrive, and bytes before the ping that get through.
    What a tunnel or a proxy has acknowledged may still wait there, for as long as the rate tells
    at which the server has read until now.
    """

    def __init__(self) -> None:
        self._bytes_s: float | None = None
        """Rate of the last answer before which the server had much to read; None before any."""
        self._asked_s = self._alive_s = self._looked_s = 0.0
        self._waiting_bytes = 0
        self._ping_at = 0
        self._seen = Traffic()

    def ask(self, now_s: float, waiting_bytes: int, traffic: Traffic) -> None:
        """Note a ping, before which the server has to read `waiting_bytes`."""
        self._asked_s = self._looked_s = now_s
        self._waiting_bytes = waiting_bytes
        self._ping_at = traffic.written_bytes
        self._seen = traffic
        self._alive_s = now_s + self._reading_s()

    def silent_s(self, now_s: float, traffic: Traffic) -> float:
        """Return for how long nothing has shown that the server is there; call it often."""
        seen = self._seen
        progress = min(traffic.acknowledged_bytes, self._ping_at) > seen.acknowledged_bytes
        # Where this process itself was held up, it has not looked.
        held_up = now_s - self._looked_s > 5 * LOOK_S
        if progress or held_up or traffic.received_bytes > seen.received_bytes:
            self._alive_s, self._seen = max(self._alive_s, now_s), traffic
        self._looked_s = now_s
        return now_s - self._alive_s

    def answered(self, now_s: float) -> None:
        """Note the answer to the ping."""
        if self._waiting_bytes >= LITTLE_BYTES:
            self._bytes_s = self._waiting_bytes / max(now_s - self._asked_s, 0.001)

    def give_up(self) -> None:
        """Forget the rate: the link may have become narrower."""
        self._bytes_s = None

    def _reading_s(self) -> float:
        if self._waiting_bytes < LITTLE_BYTES:
            return 0.0
        if self._bytes_s is None:
            return MAX_READING_S
        return min(MAX_READING_S, self._waiting_bytes / self._bytes_s)
