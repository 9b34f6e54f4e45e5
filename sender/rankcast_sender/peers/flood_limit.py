"""FloodLimit: what a sender does about a peer that sends too many messages."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Hashable
from typing import Final

import zmq

from rankcast.runtime import LogLimiter
from rankcast_sender.peers.peer import address_of, descriptor_of, user_of
from rankcast_sender.peers.rate_limit import RateLimit
from rankcast_sender.peers.watch import Ban, Watch

log = logging.getLogger(__name__)

BURST_S: Final = 5.0
"""A peer that was quiet may send at once what the limit allows in this time: many viewers may share
a key, and all of them connect again after a break."""
LOG_INTERVAL_S: Final = 10.0
REBIND_INTERVAL_S: Final = 5.0
WASTED_BYTES: Final = 65_536
"""What a burst counts for, whatever the size of its messages: it costs processor time."""
AGAIN_S: Final = 0.05
SETTLED_S: Final = 0.5
"""By then, what an older connection with the same descriptor had sent is read."""


class FloodLimit:
    """Ends the connections of peers that exceed the limit, and refuses their keys.

    A peer is a key or, without keys, one connection.

    Parameters
    ----------
    port : int
        Port of the socket.
    max_messages_s : int
        Most messages a second of one peer.
    ban : callable or None
        Refuses a key; None without keys.
    rebind : callable
        Ends all connections, where the system cannot end a single one.
    """

    def __init__(
        self,
        port: int,
        max_messages_s: int,
        ban: Ban | None,
        rebind: Callable[[], None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._port = port
        self._max_messages_s = max_messages_s
        self._ban = ban
        self._rebind = rebind
        self._rebound = LogLimiter(REBIND_INTERVAL_S, now_s=now_s)
        self._now_s = now_s
        self._ended, self._ended_s = -1, -AGAIN_S
        """Descriptor of the latest connection that was ended, and when."""
        self._log = LogLimiter(LOG_INTERVAL_S, now_s=now_s)
        self._rates = RateLimit[Hashable](max_messages_s, BURST_S * max_messages_s, now_s)

    def admits(self, frame: zmq.Frame, connection: Hashable, watch: Watch) -> bool:
        """Count a message; if it is one too many, end its connection and return False.

        Messages of a connection that `watch` has ended are not admitted either.
        """
        # Without keys a peer may claim any user id.
        user = user_of(frame) if self._ban is not None else ""
        descriptor = descriptor_of(frame)
        if user:
            watch.users[descriptor] = user
        if descriptor in watch.endings and (ending := watch.ending_of(descriptor)) is not None:
            if self._ban is not None and ending.reason:
                self._ban(user, ending.reason)
            return False
        if self._rates.take(user or connection):
            return True
        now_s = self._now_s()
        # Behind the message lie others that came before the connection was closed.
        if descriptor != self._ended or now_s > self._ended_s + AGAIN_S:
            self._ended, self._ended_s = descriptor, now_s
            self._end(frame, descriptor, user, watch)
        return False

    def _end(self, frame: zmq.Frame, descriptor: int, user: str, watch: Watch) -> None:
        sent = f"sent more than {self._max_messages_s} messages a second to port {self._port}"
        if self._ban is not None:
            self._ban(user, f"it {sent}")
        if descriptor >= 0 and watch.scissors is not None:
            # The message may come from an older connection whose descriptor was used again.
            age_s = self._now_s() - watch.accepted_s.get(descriptor, -math.inf)
            if age_s < SETTLED_S or not watch.cut(descriptor, WASTED_BYTES):
                return
            done = "its connection was closed"
        elif self._rebound.may_log():
            self._rebind()
            done = "all connections were closed, because this one cannot be found"
        else:
            return
        if self._log.may_log():
            log.warning("%s %s: %s", address_of(frame) or "a peer", sent, done)
