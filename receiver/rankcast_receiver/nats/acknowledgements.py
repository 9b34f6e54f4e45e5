"""Acknowledgements: which messages of a durable consumer are in the recording already."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from rankcast.nats.jetstream import Stored
from rankcast.wire import Header, Kind


class PacketKey(NamedTuple):
    """Identifies a packet of a camera."""

    kind: Kind
    stream_id: bytes
    sequence: int


def key_of(header: Header) -> PacketKey:
    """Return the key of a packet."""
    return PacketKey(header.kind, header.stream_id, header.sequence)


class Acknowledgements:
    """Acknowledges messages of one camera once what they contain is recorded.

    Packets reach the recorder in the order in which they were forwarded: once one is recorded, all
    before it have been recorded too, or never will be.

    Parameters
    ----------
    publish : callable
        Publishes an acknowledgement to a subject.
    """

    def __init__(self, publish: Callable[[str], None]) -> None:
        self._publish = publish
        self._waiting: deque[tuple[PacketKey, int]] = deque()
        """Forwarded packets, with the message of the stream that each ends with."""
        self._subjects: dict[int, str] = {}
        self._forwarded = 0
        self._recorded = 0

    @property
    def next_sequence(self) -> int:
        """The message of the stream behind the last one that was forwarded; 0 before any."""
        return self._forwarded + 1 if self._forwarded else 0

    @property
    def waiting(self) -> int:
        """Packets that were forwarded and are not known to be recorded."""
        return len(self._waiting)

    def deliver(self, stored: Stored) -> bool:
        """Note where a message is acknowledged; return False if it was forwarded before."""
        sequence = stored.place.stream_sequence
        if stored.acknowledge_to:
            if sequence <= self._recorded:
                self._publish(stored.acknowledge_to)
                return False
            self._subjects[sequence] = stored.acknowledge_to
        if sequence <= self._forwarded:
            return False
        self._forwarded = sequence
        return True

    def forward(self, key: PacketKey, sequence: int) -> None:
        """Note a packet that goes to the recorder and ends with this message."""
        self._waiting.append((key, sequence))

    def discard(self, sequence: int) -> None:
        """Acknowledge a message that is no packet, so that it does not come again."""
        if not self._waiting:
            self._acknowledge(sequence)

    def record(self, key: PacketKey) -> None:
        """Acknowledge a packet that is recorded, and all before it."""
        for position, (waiting, sequence) in enumerate(self._waiting):
            if waiting == key:
                for _ in range(position + 1):
                    self._waiting.popleft()
                self._acknowledge(sequence)
                return

    def _acknowledge(self, sequence: int) -> None:
        self._recorded = max(self._recorded, sequence)
        for number in [number for number in self._subjects if number <= sequence]:
            self._publish(self._subjects.pop(number))
