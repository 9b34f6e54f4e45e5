"""Packets as the receive thread hands them over."""

from __future__ import annotations

import time

from rankcast.errors import WireError
from rankcast.wire import Packet, parse_status
from rankcast_receiver.stream import ReceivedPacket


def received(packet: Packet, camera: str = "cam", data: bytes = b"") -> ReceivedPacket:
    """Return `packet` as if it had just arrived.

    Raises
    ------
    WireError
        If it is a status with a broken body.
    """
    status = None if packet.header.kind.is_picture else parse_status(packet)
    return ReceivedPacket(camera, time.monotonic(), packet, memoryview(data), status)


def refused(error: WireError, camera: str = "cam") -> ReceivedPacket:
    """Return a packet that could not be parsed."""
    return ReceivedPacket(camera, time.monotonic(), None, memoryview(b""), error=error)
