"""PacketQueue: hands packets from the thread that drains the sockets to the one that decodes."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from rankcast_receiver.state import LinkFacts
from rankcast_receiver.stream.received_packet import ReceivedPacket

LIVE_PACKETS: Final = 1024
"""Most packets of all cameras queued in live mode: 64 cameras at 30 fps for half a second, twice
the decoding budget of one batch."""
KEEP_PACKETS: Final = 8
"""If every frame is kept, packets queue in libzmq and at the sender; these few keep the decoder
busy."""
MAX_BYTES: Final = 128 * 1024 * 1024
"""Most bytes queued."""


class CameraKey(NamedTuple):
    """A camera of one sender, identified by the name in its topics."""

    sender: int
    camera: str


@dataclass(frozen=True, slots=True)
class PacketBatch:
    """Input of one pass of the decode loop."""

    packets: Mapping[CameraKey, Sequence[ReceivedPacket]]
    """Packets per camera, in order of arrival."""
    dropped: Mapping[CameraKey, int]
    """Pictures dropped from a full queue since the previous batch."""
    links: Sequence[LinkFacts]
    """State of each connection at the time up to which `packets` is complete."""


class PacketQueue:
    """A bounded queue of packets from all senders, which counts dropped packets.

    Parameters
    ----------
    senders : int
        Number of senders.
    live : bool
        True: `put` always takes a packet, a full queue drops the oldest one of the camera that
        exceeds the bound most, in packets or in bytes, and `take` returns everything. False:
        nothing is dropped; call `put` only while `has_room`, and `take` returns one packet at a
        time.
    """

    def __init__(self, senders: int, *, live: bool) -> None:
        self._live = live
        self._max_packets = LIVE_PACKETS if live else KEEP_PACKETS
        self._changed = threading.Condition()
        self._waiting: dict[CameraKey, deque[ReceivedPacket]] = {}
        self._order: deque[CameraKey] = deque()
        """Used only without `live`: the camera whose packet is next."""
        self._packets = self._bytes = 0
        self._dropped: Counter[CameraKey] = Counter()
        self._links: Sequence[LinkFacts] = (LinkFacts(),) * senders
        self._closed = False

    @property
    def links(self) -> Sequence[LinkFacts]:
        """State of the connection to each sender."""
        with self._changed:
            return self._links

    @property
    def has_room(self) -> bool:
        """False while a receiver that keeps every frame must stop reading its sockets."""
        with self._changed:
            return self._live or self._below_bounds()

    def __len__(self) -> int:
        return self._packets

    def put(self, sender: int, received: ReceivedPacket) -> None:
        """Add a packet of the sender with this number."""
        key = CameraKey(sender, received.camera)
        with self._changed:
            if self._closed:
                return
            self._waiting.setdefault(key, deque()).append(received)
            self._packets += 1
            self._bytes += len(received.data)
            if self._live:
                while not self._below_bounds(1) and self._packets > 1:
                    self._drop_oldest()
            else:
                self._order.append(key)
            self._changed.notify_all()

    def note_links(self, links: Sequence[LinkFacts]) -> None:
        """Replace the connection states; every packet that arrived before must have been put."""
        with self._changed:
            self._links = links

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait at most `timeout_s` for room; return True if there is room."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or self._below_bounds(), timeout_s)

    def take(self, timeout_s: float) -> PacketBatch:
        """Take the queued packets; the batch is empty if nothing arrived within `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._packets > 0, timeout_s)
            packets = self._take_all() if self._live else self._take_one()
            # Drops of other cameras are reported once they have a packet again.
            dropped = {key: self._dropped.pop(key) for key in packets if key in self._dropped}
            self._changed.notify_all()
            return PacketBatch(packets, dropped, self._links)

    def close(self) -> None:
        """Discard queued packets and wake both threads; later packets are ignored."""
        with self._changed:
            self._closed = True
            self._take_all()
            self._changed.notify_all()

    def _below_bounds(self, over: int = 0) -> bool:
        return self._packets < self._max_packets + over and self._bytes < MAX_BYTES

    def _drop_oldest(self) -> None:
        # A camera that floods the queue loses its own packets.
        size = _bytes_of if self._bytes >= MAX_BYTES else len
        key = max(self._waiting, key=lambda key: size(self._waiting[key]))
        oldest = self._waiting[key].popleft()
        self._packets -= 1
        self._bytes -= len(oldest.data)
        self._dropped[key] += oldest.is_picture
        if not self._waiting[key]:
            del self._waiting[key]

    def _take_all(self) -> Mapping[CameraKey, Sequence[ReceivedPacket]]:
        waiting, self._waiting = self._waiting, {}
        self._order.clear()
        self._packets = self._bytes = 0
        return {key: list(packets) for key, packets in waiting.items()}

    def _take_one(self) -> Mapping[CameraKey, Sequence[ReceivedPacket]]:
        if not self._order:
            return {}
        key = self._order.popleft()
        received = self._waiting[key].popleft()
        if not self._waiting[key]:
            del self._waiting[key]
        self._packets -= 1
        self._bytes -= len(received.data)
        return {key: (received,)}


def _bytes_of(packets: Sequence[ReceivedPacket]) -> int:
    return sum(len(received.data) for received in packets)
