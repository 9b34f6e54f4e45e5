"""Sink: where decoded frames go, or packets that are not decoded for it."""

from __future__ import annotations

from typing import Literal, Protocol

from rankcast.frame import Frame
from rankcast_receiver.stream import CameraPacket

Wants = Literal["frames", "packets"]


class AnySink(Protocol):
    """What all sinks have in common; one thread opens, uses and closes them."""

    @property
    def name(self) -> str:
        """Name in the ledger: ``save``, ``display``, ``count``."""

    @property
    def wants(self) -> Wants:
        """What `put` takes: decoded frames or packets."""

    def idle(self) -> bool:
        """Do what is due between frames; called at least ten times a second.

        Returns
        -------
        bool
            False when the user asked this sink to end the receiver.
        """

    def close(self) -> None:
        """Finish; may be called twice."""


class Sink(AnySink, Protocol):
    """Takes decoded frames; `wants` is "frames"."""

    def put(self, frame: Frame, /) -> bool:
        """Take one frame.

        Returns
        -------
        bool
            True when it was saved, shown or counted; False when it was skipped on purpose.

        Raises
        ------
        SinkError
            If this frame could not be taken; the next one may be.
        """


class PacketSink(AnySink, Protocol):
    """Takes every packet with a picture, in order, decoded or not; `wants` is "packets"."""

    def put(self, packet: CameraPacket, /) -> bool:
        """Take one packet; see `Sink.put`."""
