"""Renewals: when a connection that brings only old pictures, or nothing, is made anew."""

from __future__ import annotations

from typing import Final

from rankcast.nats.client import NatsConnection
from rankcast_receiver.net import PathMeter

PAUSE_S: Final = 5.0
MAX_PAUSE_S: Final = 60.0
SILENT_S: Final = 3.0
"""Statuses come every second."""


class Pauses:
    """Decides it ever more rarely, for as long as it does not help."""

    def __init__(self) -> None:
        self._renewed_s, self._count = float("-inf"), 0

    def over(self, now_s: float) -> bool:
        """Return True if the connection is to be made anew now, and count that."""
        pause_s = min(MAX_PAUSE_S, PAUSE_S * 2**self._count)
        if now_s - self._renewed_s < pause_s:
            return False
        helped = now_s - self._renewed_s > 2 * pause_s + PAUSE_S
        self._count = 0 if helped else self._count + 1
        self._renewed_s = now_s
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
    """

    def __init__(
        self, connection: NatsConnection, path: PathMeter, *, live: bool, moves: bool
    ) -> None:
        self.heard_s: float | None = None
        """When the last message of a camera came; None before any."""
        self._connection = connection
        self._path = path
        self._live = live
        self._moves = moves
        self._old, self._silent = Pauses(), Pauses()

    def tick(self, now_s: float, *, ended: bool) -> None:
        """Do what is due ten times a second; `ended` where no camera will send any more."""
        connection = self._connection
        if not connection.is_up:
            return
        if self._live and self._path.only_old(now_s) and self._old.over(now_s):
            connection.renew("only old pictures arrived")
        if not self._moves or self.heard_s is None or ended or not connection.has_others:
            return
        silent_s = now_s - max(self.heard_s, connection.state.since_s)
        if silent_s > SILENT_S and self._silent.over(now_s):
            connection.renew("no camera is heard through this server")
