"""ReconnectPolicy: when a connection that is silent, or was given up, is made anew."""

from __future__ import annotations

import random
from typing import Final

SILENCE_S: Final = 3.0
"""Status comes once a second: after three without any, the socket is rebuilt, because libzmq
never reconnects after a protocol error."""
KEEP_SILENCE_S: Final = 90.0
"""Where every frame counts, another viewer may hold the sender back, status included, for a minute
unless told otherwise (`network.unacknowledged_s`); what is sent while this one connects anew would
be lost."""
GIVEN_UP_FIRST_S: Final = 0.25
GIVEN_UP_MAX_S: Final = 1.5
"""Pauses between new sockets where libzmq has given up: a viewer whose key was just let in, or
whose port got its sender back, shall be live within two seconds."""
BROKEN_MAX_S: Final = 60.0
"""The same where messages came and no picture: one was too long, and each new connection brings it
again, with a key frame that every viewer pays for."""


class ReconnectPolicy:
    """The pauses of one connection, with jitter, so that viewers do not come back all at once.

    Parameters
    ----------
    silence_s : float
        A connection without any message for that long is made anew.
    now_s : float
        Monotonic clock, as in all methods.
    """

    def __init__(self, silence_s: float, now_s: float) -> None:
        self._silence_s = self._patience_s = silence_s
        self._heard_s = now_s
        self._answered = False
        self._due_s: float | None = None
        self.pause_s = GIVEN_UP_FIRST_S
        """What is waited once libzmq has given up."""

    def heard(self, now_s: float) -> None:
        """Note a message."""
        self._heard_s = now_s
        self._answered = True
        self._patience_s = self._silence_s

    def showed(self) -> None:
        """Note a picture: all is well."""
        self.pause_s = GIVEN_UP_FIRST_S

    def moved(self, now_s: float) -> None:
        """Note that something happens to the link: it is given its time."""
        self._heard_s = now_s

    def given_up(self, now_s: float) -> bool:
        """Ask whether to make a connection anew that libzmq has given up."""
        if self._due_s is None:
            self._due_s = now_s + self.pause_s * random.uniform(0.7, 1.0)
        if now_s < self._due_s:
            return False
        most_s = BROKEN_MAX_S if self._answered else GIVEN_UP_MAX_S
        self.pause_s = min(most_s, 2 * self.pause_s)
        return True

    def silent(self, now_s: float) -> bool:
        """Ask whether to make one anew that stands, and says nothing."""
        self._due_s = None
        return now_s - self._heard_s >= self._patience_s

    def made(self, now_s: float) -> None:
        """Note that it was made anew."""
        self._due_s = None
        self._answered = False
        self._heard_s = now_s
        self._patience_s = self._silence_s * random.uniform(1.0, 1.5)
