"""PacketQueue: hands packets from the thread that drains the sockets to the one that decodes."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from rankcast_receiver.state import LinkFacts
from rankcast_receiver.stream.received_packet import ReceivedPacket

LIVE_PACKETS: Final = 1024
"""Most packets of all cameras queued in live mode: 64 cameras at 30 fps for half a second, twice
the decoding budget of one batch."""
KEEP_PACKETS: Final = 4096
"""The same if every frame is kept: a window of credit for each of 64 cameras."""
LIVE_BYTES: Final = 48 * 1024 * 1024
"""Most bytes queued in live mode; as many may be with the decoder meanwhile."""
KEEP_BYTES: Final = 128 * 1024 * 1024
"""The same if every frame is kept: the windows of all cameras, and what a sender may send without
credit."""
MAX_NOTICES: Final = 1024
"""Most status and end packets queued beyond these bounds, if every frame is kept."""
MAX_CAMERAS: Final = 1024
"""Most cameras whose progress is noted: 64 of each of 16 senders."""


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
    """Pictures of each camera that were dropped right before these packets."""
    links: Sequence[LinkFacts]
    """State of each connection at the time up to which `packets` is complete."""


@dataclass(frozen=True, slots=True)
class Taken:
    """How far the decoder has taken the packets of a camera."""

    stream_id: bytes
    next_sequence: int
    """One more than the newest frame that was taken, or that a status counts."""
    largest_bytes: int
    """Largest picture that has arrived."""


class _Waiting(NamedTuple):
    received: ReceivedPacket
    dropped: int
    """Pictures that were dropped right before this packet."""


class PacketQueue:
    """A bounded queue of packets from all senders, which counts dropped packets.

    Parameters
    ----------
    senders : int
        Number of senders.
    live : bool
        True: a full queue drops the oldest packet of the camera that exceeds the bound most, in
        packets or in bytes, and `take` returns everything. False: a picture that does not fit the
        share of its sender is dropped, and `take` returns one packet at a time.
    most_packets : int, optional
        Most packets queued.
    """

    def __init__(self, senders: int, *, live: bool, most_packets: int | None = None) -> None:
        self._live = live
        self._max_packets = most_packets or (LIVE_PACKETS if live else KEEP_PACKETS)
        self._max_bytes = LIVE_BYTES if live else KEEP_BYTES
        self.packets_per_sender = max(1, self._max_packets // senders)
        self.bytes_per_sender = self._max_bytes // senders
        """Bounds if every frame is kept, so that one sender costs another one nothing."""
        self._by_sender: Counter[int] = Counter()
        self._bytes_by_sender: Counter[int] = Counter()
        self._changed = threading.Condition()
        self._waiting: dict[CameraKey, deque[_Waiting]] = {}
        self._order: deque[CameraKey] = deque()
        """Used only without `live`: the camera whose packet is next."""
        self._packets = self._bytes = 0
        self._dropped: Counter[CameraKey] = Counter()
        self._links: Sequence[LinkFacts] = (LinkFacts(),) * senders
        self._closed = False
        self._taken: dict[CameraKey, Taken] = {}
        self._largest: Counter[CameraKey] = Counter()
        self._wake_at: dict[CameraKey, int] = {}
        self.wake: Callable[[], object] = lambda: None
        """Called in the thread that takes packets once it has taken what `wake_at` names."""

    @property
    def links(self) -> Sequence[LinkFacts]:
        """State of the connection to each sender."""
        with self._changed:
            return self._links

    def __len__(self) -> int:
        return self._packets

    def has_room(self, sender: int, size: int) -> bool:
        """Return whether a picture of `size` bytes fits without any being dropped.

        For senders that can wait: half of the queue stays free for those that cannot.
        """
        with self._changed:
            if self._live:
                packets, waiting_bytes = self._packets, self._bytes
                most, most_bytes = self._max_packets, self._max_bytes
            else:
                packets, waiting_bytes = self._by_sender[sender], self._bytes_by_sender[sender]
                most, most_bytes = self.packets_per_sender, self.bytes_per_sender
            return not packets or (packets < most // 2 and waiting_bytes + size < most_bytes // 2)

    def oldest_s(self, sender: int, camera: str) -> float | None:
        """Return when the oldest waiting packet of a camera was received; None without one."""
        with self._changed:
            waiting = self._waiting.get(CameraKey(sender, camera))
            return waiting[0].received.t_received_s if waiting else None

    def put(self, sender: int, received: ReceivedPacket) -> None:
        """Add a packet of the sender with this number, and drop what exceeds the bounds."""
        key = CameraKey(sender, received.camera)
        size = len(received.data)
        with self._changed:
            if self._closed:
                return
            if not self._live:
                if received.is_picture:
                    self._largest[key] = max(self._largest[key], size)
                if not self._fits(sender, received):
                    self._note_dropped(key, received)
                    return
                self._order.append(key)
                self._by_sender[sender] += 1
                self._bytes_by_sender[sender] += size
            before = 0 if self._live else self._dropped.pop(key, 0)
            self._waiting.setdefault(key, deque()).append(_Waiting(received, before))
            self._packets += 1
            self._bytes += size
            while self._live and self._packets > 1 and not self._below_bounds():
                self._drop_oldest()
            self._changed.notify_all()

    def taken(self, sender: int) -> Mapping[str, Taken]:
        """Return how far the decoder is with each camera of a sender, if every frame is kept."""
        with self._changed:
            return {key.camera: taken for key, taken in self._taken.items() if key.sender == sender}

    def wake_at(self, key: CameraKey, next_sequence: int) -> None:
        """Call `wake` once the decoder has come as far as `next_sequence`."""
        with self._changed:
            self._wake_at[key] = next_sequence

    def forget(self, sender: int, known: Collection[str]) -> None:
        """Forget the cameras of a sender but the known ones: names come from the peer."""
        with self._changed:
            for of_camera in (self._dropped, self._largest, self._taken, self._wake_at):
                for key in [key for key in of_camera if key.sender == sender]:
                    if key.camera not in known and key not in self._waiting:
                        del of_camera[key]

    def note_links(self, links: Sequence[LinkFacts], first: int = 0) -> None:
        """Replace the connection states from sender `first` on.

        Every packet of theirs that arrived before must have been put.
        """
        with self._changed:
            self._links = (*self._links[:first], *links, *self._links[first + len(links) :])

    def take(self, timeout_s: float) -> PacketBatch:
        """Take the queued packets; the batch is empty if nothing arrived within `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._packets > 0, timeout_s)
            if not self._live:
                batch, wakes = self._take_one()
            else:
                packets = self._take_all()
                # Drops of other cameras are reported once they have a packet again.
                dropped = {key: self._dropped.pop(key) for key in packets if key in self._dropped}
                batch, wakes = PacketBatch(packets, dropped, self._links), False
        if wakes:
            self.wake()
        return batch

    def close(self) -> None:
        """Discard queued packets and wake both threads; later packets are ignored."""
        with self._changed:
            self._closed = True
            self._take_all()
            self._changed.notify_all()

    def _below_bounds(self) -> bool:
        return self._packets <= self._max_packets and self._bytes < self._max_bytes

    def _fits(self, sender: int, received: ReceivedPacket) -> bool:
        waiting = self._by_sender[sender]
        if not waiting:
            return True  # one of any size
        if not received.is_picture:
            return waiting < self.packets_per_sender + MAX_NOTICES
        size = self._bytes_by_sender[sender] + len(received.data)
        return waiting < self.packets_per_sender and size <= self.bytes_per_sender

    def _drop_oldest(self) -> None:
        # A camera that floods the queue loses its own packets.
        size = _bytes_of if self._bytes >= self._max_bytes else len
        key = max(self._waiting, key=lambda key: size(self._waiting[key]))
        oldest = self._waiting[key].popleft().received
        self._packets -= 1
        self._bytes -= len(oldest.data)
        self._note_dropped(key, oldest)
        if not self._waiting[key]:
            del self._waiting[key]

    def _note_dropped(self, key: CameraKey, received: ReceivedPacket) -> None:
        if received.is_picture:
            self._dropped[key] += 1

    def _take_all(self) -> Mapping[CameraKey, Sequence[ReceivedPacket]]:
        waiting, self._waiting = self._waiting, {}
        self._order.clear()
        self._by_sender.clear()
        self._bytes_by_sender.clear()
        self._packets = self._bytes = 0
        return {key: [item.received for item in items] for key, items in waiting.items()}

    def _take_one(self) -> tuple[PacketBatch, bool]:
        """Take the next packet; also return whether `wake` is due."""
        if not self._order:
            return PacketBatch({}, {}, self._links), False
        key = self._order.popleft()
        received, dropped = self._waiting[key].popleft()
        if not self._waiting[key]:
            del self._waiting[key]
        self._packets -= 1
        self._bytes -= len(received.data)
        self._by_sender[key.sender] -= 1
        self._bytes_by_sender[key.sender] -= len(received.data)
        batch = PacketBatch({key: (received,)}, {key: dropped} if dropped else {}, self._links)
        return batch, self._note_taken(key, received)

    def _note_taken(self, key: CameraKey, received: ReceivedPacket) -> bool:
        if received.packet is None:
            return False
        header, before = received.packet.header, self._taken.get(key)
        # Frames of a catch-up count as if they had come before this receiver joined.
        is_frame = received.is_picture or bool(received.catch_up)
        reached = header.sequence + 1 if is_frame else header.sequence
        if before is None and len(self._taken) >= MAX_CAMERAS:
            return False
        if before is not None and before.stream_id == header.stream_id:
            reached = max(reached, before.next_sequence)
        self._taken[key] = Taken(header.stream_id, reached, self._largest[key])
        if before is not None and before.stream_id == header.stream_id:
            if reached < self._wake_at.get(key, reached + 1):
                return False
            del self._wake_at[key]
        return True


def _bytes_of(waiting: Sequence[_Waiting]) -> int:
    return sum(len(item.received.data) for item in waiting)
