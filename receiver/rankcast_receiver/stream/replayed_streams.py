"""ReplayedStreams: gives packets of recordings the stream that the status of their sender names."""

from __future__ import annotations

from dataclasses import replace

from rankcast.wire import Packet, Replay
from rankcast_receiver.stream.received_packet import ReceivedPacket


class ReplayedStreams:
    """The recordings that the cameras of one sender play.

    A packet of a recording has the stream id of then, which every loop repeats, and so may a
    second recording. The status that comes before the packets has an id of this loop, under which
    they are put in order and counted.
    """

    def __init__(self) -> None:
        self._playing: dict[str, tuple[bytes, Replay]] = {}
        """By camera: id of the loop, and what its sender says about it."""

    def place(self, received: ReceivedPacket) -> ReceivedPacket:
        """Return a packet under its present stream, with how its times are to be read."""
        packet, status = received.packet, received.status
        if packet is None:
            return received
        if status is not None:
            if status.replay is None:
                self._playing.pop(received.camera, None)
            else:
                self._playing[received.camera] = packet.header.stream_id, status.replay
            return received
        playing = self._playing.get(received.camera)
        if playing is None or playing[1].stream != packet.header.stream_id:
            return received
        stream_id = playing[0]
        return replace(
            received,
            packet=_under(packet, stream_id),
            catch_up=[(_under(each, stream_id), data) for each, data in received.catch_up],
            replay=playing[1],
        )


def _under(packet: Packet, stream_id: bytes) -> Packet:
    return replace(packet, header=replace(packet.header, stream_id=stream_id))
