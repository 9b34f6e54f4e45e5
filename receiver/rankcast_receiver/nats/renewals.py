"""Renewals: when a receiver replaces a connection that brings only old pictures, or nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from rankcast.nats.client import NatsConnection
from rankcast_receiver.net import PathMeter

PAUSE_S: Final = 5.0
MAX_PAUSE_S: Final = 60.0
MAX_MOVE_PAUSE_S: Final = 600.0
"""A move to another server costs that server as well."""
SILENT_S: Final = 4.0
"""Statuses come every second."""


def spread() -> float:
    """Return a random factor: all viewers of a camera see the same silence at the same time."""
    return random.uniform(0.75, 1.25)


class Pauses:
    """Allows a renewal ever more rarely, as long as renewals do not help.

    Parameters
    ----------
    max_pause_s : float
        Longest pause between two renewals, before the random factor.
    jitter : callable
        Returns the random factor of one pause.
    """

    def __init__(
        self, max_pause_s: float = MAX_PAUSE_S, jitter: Callable[[], float] = spread
    ) -> None:
        self._max_pause_s = max_pause_s
        self._jitter = jitter
        self._pause_s = PAUSE_S
        self._renewed_s = self._due_s = float("-inf")

    def over(self, now_s: float) -> bool:
        """Return True if the connection may be replaced now; the next pause begins then."""
        if now_s < self._due_s:
            return False
        helped = now_s - self._renewed_s > 2 * self._pause_s + PAUSE_S
        self._pause_s = PAUSE_S if helped else min(self._max_pause_s, 2 * self._pause_s)
        self._renewed_s = now_s
        self._due_s = now_s + self._pause_s * self._jitter()
        return True


class Renewals:
    """Renews the connection of a receiver to a server.

    Parameters
    ----------
    connection : NatsConnection
    path : PathMeter
    live : bool
        Old pictures are of no use: what waits for this receiver at the server is discarded.
    moves : bool
        Where no camera is heard any more, try the next server: this one may be cut off.
    jitter : callable
        Returns the random factor of one time.
    """

    def __init__(
        self,
        connection: NatsConnection,
        path: PathMeter,
        *,
        live: bool,
        moves: bool,
        jitter: Callable[[], float] = spread,
    ) -> None:
        self.heard_s: float | None = None
        """When the last message of a camera came; None before any."""
        self._connection = connection
        self._path = path
        self._live = live
        self._moves = moves
        self._jitter = jitter
        self._old, self._silent = Pauses(), Pauses(MAX_MOVE_PAUSE_S, jitter)
        self._silent_s = SILENT_S * jitter()
        self._tour_of: tuple[object, ...] = ()
        """What begins another tour of the servers where it changes."""
        self._moves_left = self._moves_made = 0

    def tick(self, now_s: float, *, ended: bool) -> None:
        """Do what is due ten times a second; `ended` where no camera will send any more."""
        connection = self._connection
        if not connection.is_up:
            return
        if self._live and self._path.only_old(now_s) and self._old.over(now_s):
            connection.renew("only old pictures arrived")
            return
        if not self._moves or self.heard_s is None or ended or not connection.has_others:
            return
        self._begin_tour(self.heard_s)
        silent_s = now_s - max(self.heard_s, connection.state.since_s)
        if silent_s > self._silent_s and self._moves_left and self._silent.over(now_s):
            self._moves_left -= 1
            self._moves_made += 1
            self._silent_s = SILENT_S * self._jitter()
            connection.renew("no camera is heard through this server")

    def _begin_tour(self, heard_s: float) -> None:
        """Let every server be tried once more if something has changed since the last tour.

        Without an end to it, all viewers of a camera that is off would reconnect for ever.
        """
        servers = self._connection.servers
        # A session that no move has made may be the first one after an outage of the network.
        tour_of = (heard_s, servers, self._connection.state.sessions - self._moves_made)
        if tour_of != self._tour_of:
            self._tour_of = tour_of
            self._moves_left = len(servers)
