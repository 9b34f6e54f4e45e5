"""ViewerBackoff: how long one viewer waits for the next key frame that it requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FIRST_PAUSE_S: Final = 0.2
MAX_PAUSE_S: Final = 60.0
"""A link that carries no key frame will not carry the next one either: pauses double up to this."""
QUIET_S: Final = 2.0
"""A viewer that does not say what arrived, and requests nothing for this long after its key frame
or for its own pause if that is longer, is taken to have it."""


@dataclass(slots=True)
class ViewerBackoff:
    """Key frames that one viewer requested, and whether they arrived.

    Times are monotonic seconds, given by the caller.
    """

    waiting_from_s: float | None = None
    """When its open request may be met; None without one."""
    _pause_s: float = 0.0
    _met_sequence: int | None = None
    """The key frame that met its last request, until the viewer has passed it."""
    _met_s: float = 0.0
    _missed: bool = False
    """True once the viewer has asked again without having that key frame."""

    def ask(self, now_s: float, seen_sequence: int | None) -> float:
        """Record a request; return the earliest time at which it may be met.

        Parameters
        ----------
        now_s : float
        seen_sequence : int or None
            Newest frame that reached the viewer; None if it does not say.
        """
        if self._met_sequence is not None:
            if self._has_arrived(now_s, seen_sequence):
                self._met_sequence, self._pause_s, self.waiting_from_s = None, 0.0, None
            elif not self._missed:
                self._missed = True
                self._pause_s = min(MAX_PAUSE_S, max(FIRST_PAUSE_S, 2 * self._pause_s))
        if self.waiting_from_s is None:
            due_s = now_s if self._met_sequence is None else self._met_s + self._pause_s
            self.waiting_from_s = max(now_s, due_s)
        return self.waiting_from_s

    def met(self, sequence: int, now_s: float) -> None:
        """Record the key frame that met the open request."""
        self.waiting_from_s = None
        self._met_sequence, self._met_s, self._missed = sequence, now_s, False

    def _has_arrived(self, now_s: float, seen_sequence: int | None) -> bool:
        assert self._met_sequence is not None
        if seen_sequence is not None:
            return seen_sequence >= self._met_sequence
        return not self._missed and now_s - self._met_s > max(QUIET_S, self._pause_s)
