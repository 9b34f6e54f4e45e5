"""Sink: the destination of decoded frames or of undecoded packets."""

from __future__ import annotations

from typing import Literal, Protocol

from rankcast.frame import Frame
from rankcast_receiver.stream import CameraPacket

Wants = Literal["frames", "packets"]


class AnySink(Protocol):
    """The interface common to all sinks; one thread opens, uses and closes each."""

    @property
    def name(self) -> str:
        """Name in the ledger: ``save``, ``display``, ``count``."""

    @property
    def wants(self) -> Wants:
        """What `put` accepts: decoded frames or packets."""

    def idle(self) -> bool:
        """Do periodic work between frames; called at least ten times a second.

        Returns
        -------
        bool
            False if the user quit the receiver through this sink.
        """

    def close(self) -> None:
        """Finish and release resources; may be called twice."""


class Sink(AnySink, Protocol):
    """Accepts decoded frames; `wants` is "frames"."""

    def put(self, frame: Frame, /) -> bool:
        """Process one frame.

        Returns
        -------
        bool
            True if it was saved, shown or counted; False if it was skipped on purpose.

        Raises
        ------
        SinkError
            If this frame could not be processed; the next one may succeed.
        """


class PacketSink(AnySink, Protocol):
    """Accepts every picture packet in order, decoded or not; `wants` is "packets"."""

    def put(self, packet: CameraPacket, /) -> bool:
        """Process one packet; see `Sink.put`."""
