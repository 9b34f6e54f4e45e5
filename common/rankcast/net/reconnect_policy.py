"""ReconnectPolicy: when to replace a connection that is silent or that libzmq has given up."""

from __future__ import annotations

import random
from typing import Final

GIVEN_UP_FIRST_S: Final = 0.25
GIVEN_UP_MAX_S: Final = 1.5
"""Pauses between new sockets after libzmq has given up: a viewer whose key was just authorised, or
whose sender has returned to its port, must be live within two seconds."""
BROKEN_MAX_S: Final = 60.0
"""Longest pause if messages but nothing useful arrived: one was too long, and each new connection
would trigger it again, along with a key frame at every viewer's cost."""


class ReconnectPolicy:
    """Computes the pauses of one connection, with jitter so that viewers do not all return at once.

    Parameters
    ----------
    silence_s : float
        A connection without any message for this long is replaced.
    silence_max_s : float
        The limit doubles up to this each time that a new connection stays silent as well.
    now_s : float
        Monotonic clock, as in all methods.
    """

    def __init__(self, silence_s: float, silence_max_s: float, now_s: float) -> None:
        self._silence_s = silence_s
        self._silence_max_s = silence_max_s
        self._doubled_s = self._silence_limit_s = silence_s
        self._heard_s = now_s
        self._answered = False
        self._due_s: float | None = None
        self.pause_s = GIVEN_UP_FIRST_S
        """Pause before the next socket once libzmq has given up."""

    @property
    def answered(self) -> bool:
        """True if a message has arrived since the connection was made."""
        return self._answered

    def heard(self, now_s: float) -> None:
        """Record the arrival of a message."""
        self._heard_s = now_s
        self._answered = True
        self._doubled_s = self._silence_limit_s = self._silence_s

    def worked(self) -> None:
        """Record that the connection has proved useful."""
        self.pause_s = GIVEN_UP_FIRST_S

    def moved(self, now_s: float) -> None:
        """Record that the link changed state: silence is measured from now."""
        self._heard_s = now_s

    def given_up(self, now_s: float) -> bool:
        """Return True if a connection that libzmq has given up must be replaced now."""
        if self._due_s is None:
            self._due_s = now_s + self.pause_s * random.uniform(0.7, 1.0)
        if now_s < self._due_s:
            return False
        most_s = BROKEN_MAX_S if self._answered else GIVEN_UP_MAX_S
        self.pause_s = min(most_s, 2 * self.pause_s)
        return True

    def silent(self, now_s: float) -> bool:
        """Return True if an established but silent connection must be replaced now."""
        self._due_s = None
        if now_s - self._heard_s < self._silence_limit_s:
            return False
        self._doubled_s = min(self._silence_max_s, 2 * self._doubled_s)
        return True

    def made(self, now_s: float) -> None:
        """Record that the connection was replaced."""
        self._due_s = None
        self._answered = False
        self._heard_s = now_s
        self._silence_limit_s = self._doubled_s * random.uniform(1.0, 1.5)
