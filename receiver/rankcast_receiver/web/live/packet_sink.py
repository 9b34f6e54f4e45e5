"""Sink `web`: hands packets to the event loop of the web address."""

from __future__ import annotations

from typing import Final

from rankcast_receiver.stream import CameraPacket
from rankcast_receiver.web.live.inbox import Inbox


class PacketSink:
    """Forwards every picture packet as it came; see `rankcast_receiver.sinks.PacketSink`."""

    name = "web"
    wants: Final = "packets"

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._topics: dict[str, bytes] = {}
        self._kept = 0

    @property
    def kept(self) -> int:
        """Packets that were handed over."""
        return self._kept

    def put(self, packet: CameraPacket) -> None:
        """Hand a packet over; status and end messages are for this receiver alone."""
        if not packet.packet.header.kind.is_picture:
            return
        topic = self._topics.get(packet.camera)
        if topic is None:
            topic = self._topics[packet.camera] = f"{packet.camera}/frames\0".encode("ascii")
        # The one copy: all pages get the same bytes.
        self._inbox.put_packet(packet, b"".join((topic, packet.data)))
        self._kept += packet.is_picture

    def lose(self, camera: str, cause: str, count: int) -> None:
        """Do nothing: the next packet shows that one is missing, see `CameraFeed`."""

    def idle(self) -> bool:
        """Do nothing; see Sink."""
        return True

    def close(self) -> None:
        """Do nothing; see Sink."""
