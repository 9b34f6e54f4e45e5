"""Rescue: finds intact packets where the records around them are damaged."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import BinaryIO, Final

from rankcast.errors import WireError
from rankcast.recordings.segment import mcap_format as mcap
from rankcast.recordings.segment.channels import ChannelFacts, parse_channel
from rankcast.recordings.segment.mcap_format import Opcode
from rankcast.recordings.segment.recorded_message import RecordedMessage
from rankcast.wire import VERSION, Limits, Packet, unpack

WINDOW_BYTES: Final = 1 << 20
MAX_STREAMS: Final = 4096
MAX_SEARCH: Final = 8
"""Bytes checked in search of packets, at most, as a multiple of the size of the file: what looks
like a packet everywhere must not take for ever."""

_PACKET_START: Final = b"RKC" + bytes((VERSION,))
_CHANNEL_BYTES: Final = 512
"""Longest record of a channel: a name of 35 characters, its topic and its encoding."""
_DAY_NS: Final = 86_400 * 10**9


class StreamNames:
    """Which camera each stream is of, learned from intact messages."""

    def __init__(self) -> None:
        self._cameras: dict[bytes, str] = {}

    def learn(self, stream_id: bytes, camera: str) -> None:
        """Note the camera of a stream."""
        if stream_id not in self._cameras:
            if len(self._cameras) >= MAX_STREAMS:
                self._cameras.pop(next(iter(self._cameras)))
            self._cameras[stream_id] = camera

    def camera_of(self, stream_id: bytes) -> str | None:
        """Return the camera of a stream; None if it is unknown."""
        return self._cameras.get(stream_id)


class Rescue:
    """Searches a file for packets, by their magic and their own CRC-32.

    Parameters
    ----------
    file : BinaryIO
        Its position changes.
    size : int
        Size of the file.
    limits : Limits
    streams : StreamNames
    channels : mapping of int to ChannelFacts
        The channels of intact records so far.
    """

    def __init__(
        self,
        file: BinaryIO,
        size: int,
        limits: Limits,
        streams: StreamNames,
        channels: Mapping[int, ChannelFacts],
    ) -> None:
        self._file, self._size, self._limits = file, size, limits
        self._streams, self._channels = streams, channels
        self._budget = MAX_SEARCH * size + limits.max_packet_bytes

    def next_packet(self, start: int, end: int) -> tuple[RecordedMessage, int] | None:
        """Return the first intact packet from `start` on, and where the file goes on behind it.

        Parameters
        ----------
        start : int
        end : int
            End of the search. Of a chunk whose length is right, its end: a packet may reach up to
            there, whatever its own record says.
        """
        position = start
        while position < end:
            window = self._read(position, min(WINDOW_BYTES, end - position))
            if not window:
                return None
            at = window.find(_PACKET_START)
            while at >= 0:
                found = self._packet_at(position + at, start, end)
                if found is not None:
                    return found
                at = window.find(_PACKET_START, at + 1)
            if len(window) < WINDOW_BYTES:
                return None
            position += len(window) - len(_PACKET_START) + 1
        return None

    def _packet_at(self, place: int, start: int, end: int) -> tuple[RecordedMessage, int] | None:
        reach = min(place, mcap.CHUNK_START + _CHANNEL_BYTES + mcap.MESSAGE_START)
        before = self._read(place - reach, reach)
        if len(before) < mcap.MESSAGE_START:
            return None
        opcode, size = mcap.RECORD_HEAD.unpack_from(before, reach - mcap.MESSAGE_START)
        sizes = [size - mcap.MESSAGE_HEAD.size] if opcode == Opcode.MESSAGE else []
        if end < self._size:
            sizes.append(end - place)
        for packet_bytes in dict.fromkeys(sizes):
            packet = self._packet_of(place, packet_bytes)
            if packet is not None:
                message = self._message(packet, before, start)
                if message is not None:
                    return message, place + packet_bytes
        return None

    def _packet_of(self, place: int, size: int) -> tuple[bytes, Packet] | None:
        if not 0 < size <= min(self._limits.max_packet_bytes, self._size - place):
            return None
        if size > self._budget:
            return None
        self._budget -= size
        data = self._read(place, size)
        try:
            return data, unpack(data, self._limits)
        except WireError:
            return None

    def _message(
        self, found: tuple[bytes, Packet], before: bytes, offset: int
    ) -> RecordedMessage | None:
        """Return the message of a packet, from what stands before it and from what is known."""
        data, packet = found
        header = packet.header
        kind = "frames" if header.kind.is_picture else "status"
        head = before[-mcap.MESSAGE_START :]
        channel, _, t_log_ns, t_publish_ns = mcap.MESSAGE_HEAD.unpack_from(
            head, mcap.RECORD_HEAD.size
        )
        own, intact = self._own_channel(before, data)
        camera: str | None
        if intact and own is not None:
            camera = own.camera
        else:
            camera = self._streams.camera_of(header.stream_id)
            known = self._channels.get(channel)
            if camera is None and known is not None and known.kind == kind:
                camera = known.camera
            t_log_ns = self._time_of(before, own, t_log_ns)
            if not header.is_short:
                t_publish_ns = header.t_capture_utc_ns
            elif abs(t_publish_ns - t_log_ns) > _DAY_NS:
                t_publish_ns = t_log_ns
        if not camera:
            return None
        self._streams.learn(header.stream_id, camera)
        return RecordedMessage(
            camera, kind, header.sequence % 2**32, t_log_ns, t_publish_ns,
            memoryview(data).toreadonly(), offset,
        )  # fmt: skip

    def _own_channel(self, before: bytes, data: bytes) -> tuple[ChannelFacts | None, bool]:
        """Return the channel whose record stands before the message, and whether it is intact.

        It is if the CRC-32 of its chunk is right, wherever else the chunk is damaged.
        """
        end = len(before) - mcap.MESSAGE_START
        for start in range(end - mcap.RECORD_HEAD.size, -1, -1):
            if before[start] != Opcode.CHANNEL:
                continue
            _, size = mcap.RECORD_HEAD.unpack_from(before, start)
            if start + mcap.RECORD_HEAD.size + size != end:
                continue
            own = parse_channel(before[start + mcap.RECORD_HEAD.size : end])
            if own is None or not own.camera:
                continue
            at = start - mcap.CHUNK_START + mcap.RECORD_HEAD.size
            if at < 0:
                return own, False
            _, _, _, crc, _ = mcap.CHUNK_HEAD.unpack_from(before, at)
            return own, zlib.crc32(data, zlib.crc32(before[start:])) == crc
        return None, False

    def _time_of(self, before: bytes, own: ChannelFacts | None, t_log_ns: int) -> int:
        """Return the time that two of three places agree on: the message and both of its chunk."""
        if own is None:
            return t_log_ns
        channel_bytes = len(mcap.channel_record(own.id, own.topic, own.encoding))
        at = len(before) - mcap.MESSAGE_START - channel_bytes - mcap.CHUNK_START
        if at < 0:
            return t_log_ns
        first_ns, last_ns, *_ = mcap.CHUNK_HEAD.unpack_from(before, at + mcap.RECORD_HEAD.size)
        return first_ns if first_ns == last_ns else t_log_ns

    def _read(self, place: int, size: int) -> bytes:
        self._file.seek(place)
        return self._file.read(size)
