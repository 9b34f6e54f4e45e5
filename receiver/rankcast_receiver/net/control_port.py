"""ControlPort: which port of a sender to use for the control channel."""

from __future__ import annotations

from typing import Final

NEVER_ANSWERED_S: Final = 1.5
SILENT_S: Final = 3.0
"""A channel that has not answered for this long may use another port: shorter if it never has."""
MAX_S: Final = 30.0


class ControlPort:
    """Chooses between the usual port and the one that the sender's status announces.

    The usual one is ahead: behind a forwarded port the sender knows only its own side. Where
    neither answers they are tried in turn, with pauses that double.

    Parameters
    ----------
    usual : int or None
        The port that belongs to that of the frames; None if that would be above 65535.
    """

    def __init__(self, usual: int | None) -> None:
        self._usual = usual
        self._announced: int | None = None
        self._switches = 0

    def announce(self, port: int) -> None:
        """Record the port in a status of the sender; 0 is none."""
        if port != self._announced:
            self._announced = port
            self._switches = 0

    def choose(
        self, current: int | None, silent_s: float, *, answered: bool, refused: bool
    ) -> int | None:
        """Return the port to use now; None: there is no control channel.

        Parameters
        ----------
        current : int or None
            The port in use.
        silent_s : float
            Time since it was chosen or last answered.
        answered : bool
            True if it has answered.
        refused : bool
            True if nothing, or another service, listens there.
        """
        if current is None:
            return None if self._announced == 0 else self._usual or self._announced
        limit_s = SILENT_S if answered and not refused else NEVER_ANSWERED_S
        if silent_s < NEVER_ANSWERED_S and answered:
            self._switches = 0
        other = self._usual if current == self._announced else self._announced
        if refused and not answered and other and not self._switches:
            limit_s = 0.0
        if silent_s < min(MAX_S, limit_s * 2**self._switches):
            return current
        if self._announced == 0:
            return None
        if other in (None, current):
            return current
        self._switches += 1
        return other
