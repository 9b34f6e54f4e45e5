"""Subscriptions: reads what viewers send to the frames socket, within limits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import zmq

from rankcast.runtime import LogLimiter
from rankcast_sender.peers import (
    REBIND_INTERVAL_S,
    Ban,
    FloodLimit,
    RateLimit,
    Watch,
    address_of,
    descriptor_of,
    user_of,
)
from rankcast_sender.sockets.audience import Audience

log = logging.getLogger(__name__)

MAX_READ: Final = 1000
"""Most messages read at a time, so that a viewer that floods the socket cannot delay frames."""
CONNECTION_BYTES: Final = 131_072
"""Most bytes that one connection may send. A viewer of 64 named cameras sends 22,000 with keys."""
SUBSCRIPTIONS_S: Final = 100
SUBSCRIPTIONS_AT_ONCE: Final = 1000
"""Budget of one connection; libzmq follows further subscriptions, but nobody joins by them."""
MAX_OTHER_BYTES: Final = 1_000_000
"""Most bytes of topics that are not ours, for which libzmq needs 50 times as much memory; beyond
it all connections are closed. Peers that keep to their rates reach it in hours."""


class Subscriptions:
    """Tracks the viewers of one XPUB socket, which may be replaced.

    Parameters
    ----------
    cameras : sequence of str
    port : int
    max_messages_s : int
        Most messages a second that one peer may send.
    ban : callable or None
        Refuses the key of a peer that sends more; None without keys.
    rebind : callable
        Ends all connections.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        port: int,
        max_messages_s: int,
        ban: Ban | None,
        rebind: Callable[[], None],
    ) -> None:
        self.dropped = 0
        """Subscriptions beyond the budget of their connection."""
        self.audience = Audience(cameras)
        self._cameras = cameras
        # Without keys a peer may claim any user id: count its address instead.
        self._who = address_of if ban is None else user_of
        self._rebind = rebind
        self._flood = FloodLimit(port, max_messages_s, ban, rebind)
        self._budget = RateLimit[int](SUBSCRIPTIONS_S, SUBSCRIPTIONS_AT_ONCE)
        self._others_log = LogLimiter(REBIND_INTERVAL_S)

    def restart(self) -> None:
        """Forget all viewers, because their connections were closed."""
        self.audience = Audience(self._cameras)

    def read(self, xpub: zmq.Socket[bytes], watch: Watch) -> frozenset[str] | None:
        """Process all messages; return the cameras that gained a viewer, None without messages."""
        joined: frozenset[str] | None = None
        for _ in range(MAX_READ):
            try:
                frame = xpub.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                break
            joined = (joined or frozenset()) | self._take(frame, watch)
        others_bytes = self.audience.others_bytes
        if others_bytes > MAX_OTHER_BYTES and self._others_log.may_log():
            log.warning(
                "all connections are closed: viewers hold %d bytes of subscriptions to topics that "
                "are no camera's, want at most %d", others_bytes, MAX_OTHER_BYTES,
            )  # fmt: skip
            self._rebind()
        return joined

    def _take(self, frame: zmq.Frame, watch: Watch) -> frozenset[str]:
        """Process one message; return the cameras that its sender joined."""
        descriptor = descriptor_of(frame)
        # What libzmq itself says of viewers that have left does not count.
        admitted = descriptor < 0 or self._flood.admits(frame, descriptor, watch)
        # libzmq follows it in any case, so that it counts in any case.
        joined = self.audience.take(frame.bytes, partial(self._who, frame))
        if joined and not (admitted and self._budget.take(descriptor)):
            self.dropped += 1
            return frozenset()
        return joined
