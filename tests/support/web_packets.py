"""Packets of a small stream as the sink `web` gets them, and their messages."""

from __future__ import annotations

from dataclasses import replace

import rankcast
from rankcast.wire import Kind, Packet, unpack
from rankcast_receiver.stream import CameraPacket
from support.fakes import picture


class PacketMaker:
    """Makes packets of one stream that look like key frames and predicted frames."""

    def __init__(self, body_bytes: int = 0) -> None:
        data = rankcast.Encoder("raw").encode(picture(1))
        self._packet: Packet = unpack(data)
        self._data = memoryview(data + bytes(body_bytes))
        self.sequence = -1

    def key(self, skip: int = 0) -> CameraPacket:
        self.sequence += 1 + skip
        return self._made(Kind.KEY, None)

    def predicted(self, of: int | None = None, skip: int = 0) -> CameraPacket:
        self.sequence += 1 + skip
        return self._made(Kind.PREDICTED, self.sequence - 1 if of is None else of)

    def reference(self) -> CameraPacket:
        """Return one that was made here of the newest picture."""
        return replace(self._made(Kind.REFERENCE, None), made_here=True)

    def _made(self, kind: Kind, ref_sequence: int | None) -> CameraPacket:
        header = replace(
            self._packet.header, kind=kind, sequence=self.sequence, ref_sequence=ref_sequence
        )
        packet = replace(self._packet, header=header)
        return CameraPacket("cam", packet, self._data, 0.0)


def message_of(packet: CameraPacket) -> bytes:
    """Return the message that pages get."""
    return b"cam/frames\0" + bytes(packet.data)
