"""PictureFollower: checks the pictures of one stream by their headers, without decoding them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from rankcast.codec import codec_with_id
from rankcast.errors import NeedKeyframe, WireError
from rankcast.wire import Chain, Packet

MOST_HELD: Final = 512
MOST_HELD_BYTES: Final = 4 * 1024 * 1024
"""Of the packets from which a decoder can catch up; a single packet is always held."""


@dataclass(slots=True)
class Followed:
    """What became of the pictures of one batch."""

    intact: list[Packet] = field(default_factory=list)
    """Those that a decoder should be able to decode, with complete headers."""
    unrooted: int = 0
    """Pictures that are predicted from one that never came."""
    refused: list[WireError] = field(default_factory=list)
    """Why the others cannot be decoded by this installation."""


class PictureFollower:
    """Completes headers, and holds what a decoder needs to catch up with the newest picture.

    Bodies are not looked at: damage inside a packet with an intact CRC-32 shows when somebody
    decodes it.
    """

    def __init__(self) -> None:
        self.group: list[Packet] = []
        """Intact pictures since the last one that decodes by itself; empty if they are too many."""
        self.waiting_for_keyframe = False
        """True while arriving pictures are predicted from a frame that was lost."""
        self._chain = Chain()
        self._group_bytes = 0

    def restart(self) -> None:
        """Forget everything, because another stream begins."""
        self.group, self._group_bytes = [], 0
        self._chain = Chain()
        self.waiting_for_keyframe = False

    def follow(self, packets: Sequence[Packet]) -> Followed:
        """Look at new pictures, in the order of their sequences."""
        followed = Followed()
        for packet in packets:
            try:
                header = self._chain.complete(packet.header)
                codec_with_id(header.codec)
            except NeedKeyframe:
                followed.unrooted += 1
                self.waiting_for_keyframe = True
            except WireError as exc:
                followed.refused.append(exc)
            else:
                self._chain.add(header)
                self.waiting_for_keyframe = False
                whole = packet if header is packet.header else replace(packet, header=header)
                followed.intact.append(whole)
                self._hold(whole)
        return followed

    def _hold(self, packet: Packet) -> None:
        if packet.header.kind.is_start:
            self.group, self._group_bytes = [packet], packet.size
        elif self.group:
            self.group.append(packet)
            self._group_bytes += packet.size
            if len(self.group) > MOST_HELD or self._group_bytes > MOST_HELD_BYTES:
                self.group = []
