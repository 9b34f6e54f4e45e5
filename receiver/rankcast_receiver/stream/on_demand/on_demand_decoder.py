"""OnDemandDecoder: decodes the pictures of one stream only while somebody needs pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.frame import Frame
from rankcast.runtime import REFUSED_PACKET, WAITING_FOR_KEYFRAME, Ledger
from rankcast.wire import Packet, Replay
from rankcast_receiver.stream.on_demand.picture_follower import Followed, PictureFollower
from rankcast_receiver.stream.on_demand.pixel_demand import PixelDemand
from rankcast_receiver.stream.picture_decoder import PictureDecoder
from rankcast_receiver.stream.refusals import Refusals

SHORT_GROUP: Final = 90
"""Most pictures that are decoded to catch up without asking the sender for a key frame first."""
KEYFRAME_S: Final = 0.5
"""Time for its key frame to come, before a longer group is decoded all the same."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """What became of the pictures of one batch."""

    frame: Frame | None
    """The newest decoded picture; None without one."""
    undecoded: Sequence[Packet] = ()
    """Pictures that nobody needed decoded, with complete headers."""
    caught_up: bool = False
    """True if `frame` is, or was before, among the undecoded ones."""


class OnDemandDecoder:
    """Follows a stream by its headers, and decodes it while somebody needs pixels.

    Where decoding begins in the middle of a group, the packets since its beginning are decoded
    within the budget of each batch until the newest picture is reached. Meanwhile pictures count
    as undecoded. From then on they count as `PictureDecoder` counts them.

    Parameters
    ----------
    decoder : PictureDecoder
    ledger : Ledger
        Counts pictures that cannot be decoded as lost.
    refusals : Refusals
    always : bool
        True: decode every picture, as if somebody always needed it.
    now_s : callable
        Monotonic clock.
    """

    def __init__(
        self,
        decoder: PictureDecoder,
        ledger: Ledger,
        refusals: Refusals,
        *,
        always: bool,
        now_s: Callable[[], float] = boot_s,
    ) -> None:
        self.demand = PixelDemand(now_s)
        self.decoding = always
        """True while every picture is decoded: the decoder is where the stream is."""
        self._decoder, self._follower = decoder, PictureFollower()
        self._ledger, self._refusals = ledger, refusals
        self._always, self._now_s = always, now_s
        self.began = False
        """Whether a picture of the stream could be decoded."""
        self._asked_s: float | None = None
        """Since when a key frame is waited for in order to catch up; None if none is."""

    @property
    def catching_up(self) -> bool:
        """True while somebody needs pixels and the newest picture is not decoded."""
        return self.demand.wanted and not self.decoding

    @property
    def needs_keyframe(self) -> bool:
        """True while only a key frame makes arriving pictures decodable, or catches up soonest."""
        return self.waiting_for_keyframe or (self.catching_up and self._asked_s is not None)

    @property
    def waiting_for_keyframe(self) -> bool:
        """True while arriving pictures are predicted from a frame that was lost."""
        looks = self._decoder if self.decoding else self._follower
        return looks.waiting_for_keyframe

    @property
    def lacks_start(self) -> bool:
        """True while only a key frame, or a catch-up, lets the stream go on."""
        return self.waiting_for_keyframe or not self.began

    @property
    def overloaded(self) -> bool:
        """True when pictures were dropped recently because decoding took too long."""
        return self._decoder.overloaded

    @property
    def decoded_packets(self) -> int:
        """Packets that were decoded so far, also those that only others needed."""
        return self._decoder.decoded_packets

    def restart(self) -> None:
        """Forget everything, because another stream begins."""
        self._decoder.restart()
        self._follower.restart()
        self._asked_s = None
        self.began = False

    def begin_with(
        self, packets: Sequence[Packet], budget_s: float, stopped: Callable[[], bool]
    ) -> None:
        """Go on from what a relay sent; none of it counts, and the budget is that of a batch."""
        if not self._always:
            self.began |= bool(self._follower.follow(packets).intact)
        if self.decoding:
            self.began |= self._decoder.catch_up(packets, budget_s, stopped) is not None

    def reference_packet(self, newest_sequence: int | None, replay: Replay | None) -> bytes | None:
        """Return a packet from which another decoder goes on; see `PictureDecoder`."""
        return self._decoder.reference_packet(newest_sequence, replay)

    def decode(
        self,
        packets: Sequence[Packet],
        budget_s: float,
        stopped: Callable[[], bool],
        *,
        for_reference: bool = False,
    ) -> Pictures:
        """Decode new pictures, or follow them, and catch up if somebody needs pixels.

        Parameters
        ----------
        packets, budget_s, stopped
            See `PictureDecoder.decode`.
        for_reference : bool
            A page needs a reference packet: the sender was asked for a key frame before, or should
            not be, because it costs all others.
        """
        if self._always:
            frame = self._decoder.decode(packets, budget_s, stopped)
            self.began |= self._decoder.decoded_sequence is not None
            return Pictures(frame)
        followed = self._follower.follow(packets)
        self.began |= bool(followed.intact)
        if for_reference:
            self.demand.renew()  # a page that is too slow needs one again and again
        if self.decoding and self.demand.wanted:
            return Pictures(self._decoder.decode(packets, budget_s, stopped))
        self._count(followed)
        if not self.demand.wanted:
            self._rest()
            return Pictures(None, followed.intact)
        frame = self._catch_up(budget_s, stopped, for_reference=for_reference)
        return Pictures(frame, followed.intact, caught_up=True)

    def _count(self, followed: Followed) -> None:
        """Count as lost what a decoder would not take either; the caller counts the others."""
        self._ledger.lose(WAITING_FOR_KEYFRAME, followed.unrooted)
        self._ledger.lose(REFUSED_PACKET, len(followed.refused))
        if followed.intact:
            self._refusals.clear()
        for error in followed.refused:
            self._refusals.add(error)

    def _rest(self) -> None:
        self.decoding, self._asked_s = False, None
        if self._decoder.decoded_sequence is not None or self._decoder.waiting_for_keyframe:
            self._decoder.restart()

    def _catch_up(
        self, budget_s: float, stopped: Callable[[], bool], *, for_reference: bool
    ) -> Frame | None:
        """Decode the group as far as time permits; return the newest picture once it is reached."""
        group, done = self._follower.group, self._decoder.decoded_sequence
        begun = bool(group) and done is not None and done >= group[0].header.sequence
        if not begun and not self._may_begin(group, for_reference=for_reference):
            return None
        rest = [one for one in group if not begun or one.header.sequence > (done or 0)]
        frame = self._decoder.catch_up(rest, budget_s, stopped)
        if frame is not None or self._decoder.waiting_for_keyframe:
            # If the group is damaged, the decoder waits for a key frame as after any loss.
            self.decoding, self._asked_s = True, None
        return frame

    def _may_begin(self, group: Sequence[Packet], *, for_reference: bool) -> bool:
        """Return whether to decode the group now; if not, a key frame may come soon."""
        if group and (for_reference or len(group) <= SHORT_GROUP):
            return True
        if self._asked_s is None:
            self._asked_s = self._now_s()
        return bool(group) and self._now_s() - self._asked_s >= KEYFRAME_S
