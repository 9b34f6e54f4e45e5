"""ReconnectPolicy: when a connection that is silent, or was given up, is replaced by a new one."""

from __future__ import annotations

import random
from typing import Final

SILENCE_S: Final = 3.0
"""Status is sent once a second: after three seconds without any the socket is rebuilt, because
libzmq never reconnects after a protocol error."""
KEEP_SILENCE_S: Final = 90.0
"""Where every frame counts, another viewer may block the sender, status included, for a minute
unless set otherwise (`network.unacknowledged_s`); what is sent while this one reconnects would be
lost."""
GIVEN_UP_FIRST_S: Final = 0.25
GIVEN_UP_MAX_S: Final = 1.5
"""Pauses between new sockets after libzmq has given up: a viewer whose key was just authorised, or
whose port got its sender back, shall be live within two seconds."""
BROKEN_MAX_S: Final = 60.0
"""The same where messages arrived and no frame: one was too long, and each new connection would
bring it again, with a key frame at the cost of every viewer."""


class ReconnectPolicy:
    """The pauses of one connection, with jitter, so that viewers do not all return at once.

    Parameters
    ----------
    silence_s : float
        A connection without any message for that long is replaced.
    now_s : float
        Monotonic clock, as in all methods.
    """

    def __init__(self, silence_s: float, now_s: float) -> None:
        self._silence_s = self._silence_limit_s = silence_s
        self._heard_s = now_s
        self._frame_s = float("-inf")
        self._answered = False
        self._due_s: float | None = None
        self.pause_s = GIVEN_UP_FIRST_S
        """Pause before the next socket once libzmq has given up."""

    def heard(self, now_s: float) -> None:
        """Note a message."""
        self._heard_s = now_s
        self._answered = True
        self._silence_limit_s = self._silence_s

    def showed(self, frame_s: float) -> None:
        """Note when the newest frame was handed out: a new one proves that all is well."""
        if frame_s > self._frame_s:
            self._frame_s = frame_s
            self.pause_s = GIVEN_UP_FIRST_S

    def moved(self, now_s: float) -> None:
        """Note that the state of the link changed: silence counts from now on."""
        self._heard_s = now_s

    def given_up(self, now_s: float) -> bool:
        """Return True when a connection that libzmq has given up is to be replaced now."""
        if self._due_s is None:
            self._due_s = now_s + self.pause_s * random.uniform(0.7, 1.0)
        if now_s < self._due_s:
            return False
        most_s = BROKEN_MAX_S if self._answered else GIVEN_UP_MAX_S
        self.pause_s = min(most_s, 2 * self.pause_s)
        return True

    def silent(self, now_s: float) -> bool:
        """Return True when a connection that is up and silent is to be replaced now."""
        self._due_s = None
        return now_s - self._heard_s >= self._silence_limit_s

    def made(self, now_s: float) -> None:
        """Note that the connection was replaced."""
        self._due_s = None
        self._answered = False
        self._heard_s = now_s
        self._silence_limit_s = self._silence_s * random.uniform(1.0, 1.5)
