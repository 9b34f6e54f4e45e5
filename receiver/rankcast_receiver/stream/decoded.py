"""Decoded: what one batch of packets of one camera amounts to."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rankcast.frame import Coding, Frame
from rankcast.wire import Packet


@dataclass(frozen=True, slots=True)
class CameraPacket:
    """A packet, for sinks that accept packets."""

    camera: str
    """Name of the camera at this receiver."""
    packet: Packet
    data: memoryview
    """The whole packet as it was received."""
    t_received_s: float
    """Monotonic."""
    made_here: bool = False
    """True for a reference packet, which this receiver made of what it has decoded."""

    @property
    def is_picture(self) -> bool:
        """False for a status, an end, or a reference that was made here: it counts as no frame."""
        return self.packet.header.kind.is_picture and not self.made_here


@dataclass(frozen=True, slots=True)
class Decoded:
    """Result of decoding one batch of packets of one camera."""

    packets: Sequence[CameraPacket]
    """The new pictures in order, each exactly once, decodable or not."""
    frame: Frame | None
    """The newest decoded picture; None when there is none to hand out."""
    notices: Sequence[CameraPacket] = ()
    """The status and end messages that came among the packets."""
    reference: CameraPacket | None = None
    """Goes on behind all of these packets; made because `CameraStream.reference_wanted`."""
    codings: Sequence[Coding] = ()
    """How the pictures were coded that count as received now: decoded, or not needed decoded."""

    @property
    def messages(self) -> Iterable[CameraPacket]:
        """Packets and notices in the order of their arrival."""
        if not self.notices:
            return self.packets
        return heapq.merge(self.packets, self.notices, key=lambda item: item.t_received_s)
