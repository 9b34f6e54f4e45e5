"""DecodePlan: which of the waiting pictures must be decoded to show the newest one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rankcast.wire import Header, Packet


@dataclass(frozen=True, slots=True)
class DecodePlan:
    """How to treat each of the waiting packets."""

    needed: Sequence[Packet]
    """Packets to decode, oldest first; the newest one depends on all others."""
    skipped: int
    """Older packets on which the newest decodable one does not depend."""
    unrooted: Sequence[Packet]
    """Newer packets that depend on a frame which is neither here nor in the decoder."""


class References:
    """Tracks the frames from which the decoder of one stream can predict.

    Notes
    -----
    The body of a packet, not its header, determines which frame the decoder keeps: after a
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
        keys = [n for n, packet in enumerate(packets) if packet.header.kind.is_start]
        start = keys[-1] if keys else 0  # frames after a key frame never depend on earlier ones
        packets = packets[start:]
        rooted = set(self._held)
        target = -1
        for index, packet in enumerate(packets):
            header = packet.header
            if header.kind.is_start or header.ref_sequence in rooted:
                rooted.add(header.sequence)
                target = index
        chain: list[Packet] = []
        wanted = packets[target].header.sequence if target >= 0 else None
        for packet in reversed(packets[: target + 1]):
            # References are always older, so one backward pass finds them all.
            if packet.header.sequence == wanted:
                chain.append(packet)
                wanted = packet.header.ref_sequence
        return DecodePlan(chain[::-1], start + target + 1 - len(chain), packets[target + 1 :])

    def note_decoded(self, header: Header) -> None:
        """Record that this picture was decoded."""
        self._held = frozenset(
            sequence for sequence in (header.sequence, header.ref_sequence) if sequence is not None
        )

    def clear(self) -> None:
        """Record that the decoder has no frame to predict from."""
        self._held = frozenset()
