"""Backlog: the pictures of one camera that wait for the decoder, and which of them it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rankcast.wire import Header, Kind, Packet


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done with the packets that waited."""

    needed: Sequence[Packet]
    """From the oldest to the newest that can be decoded, each needed for the last one."""
    skipped: int
    """Packets before the last needed one that it does not rest on."""
    unrooted: Sequence[Packet]
    """Packets after it whose references, or theirs, are neither here nor in the decoder."""


class Backlog:
    """Packets of one stream in the order of their sequences.

    Notes
    -----
    Which frame the decoder holds stands in the body, not in the header: after a predicted frame it
    is that one, or still the one that it was predicted from.
    """

    def __init__(self) -> None:
        self._packets: list[Packet] = []
        self._held: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self._packets)

    def add(self, packet: Packet) -> int:
        """Add a packet; return how many need not be decoded any more, and are gone."""
        # What came before a key frame need not be held either.
        needless = self.clear() if packet.header.kind is Kind.KEY else 0
        self._packets.append(packet)
        return needless

    def clear(self) -> int:
        """Forget all packets; return how many there were."""
        count = len(self._packets)
        self._packets.clear()
        return count

    def take_all(self) -> Work:
        """Take every packet, whether newer ones rest on it or not."""
        packets, self._packets = self._packets, []
        return Work(packets, 0, ())

    def take_newest(self) -> Work:
        """Take what the newest picture that can be rebuilt needs, and tell the others apart."""
        packets, self._packets = self._packets, []
        rooted = set(self._held)
        target = -1
        for index, packet in enumerate(packets):
            header = packet.header
            if header.kind is Kind.KEY or header.ref_sequence in rooted:
                rooted.add(header.sequence)
                target = index
        chain: list[Packet] = []
        wanted = packets[target].header.sequence if target >= 0 else None
        for packet in reversed(packets[: target + 1]):
            # References are older, so that one pass backwards meets them all.
            if packet.header.sequence == wanted:
                chain.append(packet)
                wanted = packet.header.ref_sequence
        return Work(chain[::-1], target + 1 - len(chain), packets[target + 1 :])

    def decoded(self, header: Header) -> None:
        """Note that this picture was rebuilt."""
        self._held = frozenset(
            sequence for sequence in (header.sequence, header.ref_sequence) if sequence is not None
        )

    def broken(self) -> None:
        """Note that nothing more may be predicted from what the decoder holds."""
        self._held = frozenset()
