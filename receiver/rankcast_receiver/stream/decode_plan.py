"""DecodePlan: which of the pictures that wait have to be decoded to show the newest one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rankcast.wire import Header, Kind, Packet


@dataclass(frozen=True, slots=True)
class DecodePlan:
    """What is to be done with the packets that waited."""

    needed: Sequence[Packet]
    """From the oldest to the newest one that can be decoded; the newest one needs all of them."""
    skipped: int
    """Packets before the newest needed one on which it does not depend."""
    unrooted: Sequence[Packet]
    """Packets after it that depend on a frame which is neither here nor in the decoder."""


class References:
    """The frames from which the decoder of one stream can predict.

    Notes
    -----
    Which frame the decoder keeps is written in the body of a packet, not in its header: after a
    predicted frame it is either that frame or still the one it was predicted from.
    """

    def __init__(self) -> None:
        self._held: frozenset[int] = frozenset()

    def plan(self, packets: Sequence[Packet]) -> DecodePlan:
        """Find the packets that the newest decodable picture needs.

        Parameters
        ----------
        packets : sequence of Packet
            In the order of their sequences.
        """
        keys = [n for n, packet in enumerate(packets) if packet.header.kind is Kind.KEY]
        start = keys[-1] if keys else 0  # nothing after a key frame depends on what is before it
        packets = packets[start:]
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
            # References are older, so that one pass backwards finds them all.
            if packet.header.sequence == wanted:
                chain.append(packet)
                wanted = packet.header.ref_sequence
        return DecodePlan(chain[::-1], start + target + 1 - len(chain), packets[target + 1 :])

    def note_decoded(self, header: Header) -> None:
        """Note that this picture was decoded."""
        self._held = frozenset(
            sequence for sequence in (header.sequence, header.ref_sequence) if sequence is not None
        )

    def clear(self) -> None:
        """Note that the decoder holds nothing to predict from."""
        self._held = frozenset()
