"""What a sink is: where rebuilt frames go."""

from __future__ import annotations

from typing import Protocol

from rankcast.frame import Frame


class Sink(Protocol):
    """Takes frames, from one thread, which also opens and closes it."""

    @property
    def name(self) -> str:
        """Name in the ledger: ``save``, ``display``, ``count``."""

    def put(self, frame: Frame) -> bool:
        """Take one frame.

        Returns
        -------
        bool
            True when it was saved, shown or counted; False when it was passed over on purpose.

        Raises
        ------
        SinkError
            If this frame could not be taken; the next one may be.
        """

    def idle(self) -> bool:
        """Do what is due between frames; called at least ten times a second.

        Returns
        -------
        bool
            False when the user asked this sink to end the receiver.
        """

    def close(self) -> None:
        """Finish; may be called twice."""
