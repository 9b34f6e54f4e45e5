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
        """Name in the ledger: ``save``, ``record``, ``display``, ``count``."""

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
    """Accepts every packet in order, decodable or not; `wants` is "packets".

    Status and end packets come too; they count nowhere.
    """

    @property
    def kept(self) -> int:
        """Frames that are recorded; those that `put` has taken may follow later or never."""

    def put(self, packet: CameraPacket, /) -> object:
        """Process one packet.

        Raises
        ------
        SinkError
            If this packet could not be processed; the next one may succeed.
        NeedKeyframe
            If a packet that it builds on is missing: it is lost, up to the next key frame.
        """

    def lose(self, camera: str, cause: str, count: int, /) -> None:
        """Note frames that were lost before they came here; called between two packets."""
