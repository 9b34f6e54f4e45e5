"""Rebinding: decides when a frames socket ends all its connections and binds again."""

from __future__ import annotations

from typing import Final

from rankcast_sender.peers import RateLimit

SETTLE_S: Final = 0.5
"""The streams of a sender that a relay has found come within this time."""
LONGEST_S: Final = 3.0
"""A stream that was added waits so long at most while others keep coming."""
BINDS_S: Final = 1 / 30
BINDS_AT_ONCE: Final = 8
"""Budget of what is bound again for new streams: a hostile sender that invents them would keep the
viewers of all others from watching."""


class Rebinding:
    """Tells when it is time; only `request` may be called from other threads."""

    def __init__(self) -> None:
        self._requested = False
        self._added_s = 0.0
        self._first_s: float | None = None
        """When the first stream was added since the socket was bound."""
        self._budget = RateLimit[str](BINDS_S, BINDS_AT_ONCE)

    def request(self) -> None:
        """Have the socket bound again at once."""
        self._requested = True

    def added(self, now_s: float) -> None:
        """Note that a stream was added."""
        self._added_s = now_s
        if self._first_s is None:
            self._first_s = now_s

    def bound(self) -> None:
        """Note that the socket is being bound."""
        self._requested = False
        self._first_s = None

    def due(self, now_s: float, *, waits: bool) -> bool:
        """Return True if the socket has to be bound again now.

        Parameters
        ----------
        now_s : float
            Monotonic.
        waits : bool
            Whether a stream that was added needs it.
        """
        if self._requested:
            return True
        first_s = now_s if self._first_s is None else self._first_s
        settled = now_s - self._added_s > SETTLE_S or now_s - first_s > LONGEST_S
        return waits and settled and self._budget.take("")
