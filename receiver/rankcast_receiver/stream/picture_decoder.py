"""PictureDecoder: decodes the pictures of one stream within a time budget."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.decoder import Decoder, frame_of
from rankcast.errors import ChecksumMismatch, NeedKeyframe, WireError
from rankcast.frame import Frame
from rankcast.runtime import (
    REFUSED_PACKET,
    SKIPPED_AS_OLD,
    STOPPED,
    WAITING_FOR_KEYFRAME,
    WRONG_CHECKSUM,
    Ledger,
    LogLimiter,
)
from rankcast.wire import Packet, Replay, pack, unpack
from rankcast_receiver.stream.decode_plan import References
from rankcast_receiver.stream.refusals import Refusals
from rankcast_receiver.stream.stream_options import StreamOptions

log = logging.getLogger(__name__)

DECODE_BUDGET_S: Final = 0.25
"""Time for all pictures of one batch in live mode: the longer a batch takes, the older and the more
numerous are the frames of the next one."""
OVERLOADED_S: Final = 10.0
"""A receiver that dropped pictures counts as overloaded for this long, and logs it once in that
time."""


class PictureDecoder:
    """Decodes pictures in order and returns the newest one.

    Parameters
    ----------
    camera : str
        Name of the camera at this receiver; stored in its frames.
    options : StreamOptions
    ledger : Ledger
        Counts pictures that are not returned as lost, each with its cause.
    refusals : Refusals
        Records the packets that this receiver cannot decode.
    log_limiter : LogLimiter
        Shared by the cameras of a sender.
    now_s : callable
        Monotonic clock.
    """

    def __init__(
        self,
        camera: str,
        options: StreamOptions,
        ledger: Ledger,
        refusals: Refusals,
        log_limiter: LogLimiter,
        now_s: Callable[[], float] = boot_s,
    ) -> None:
        self.waiting_for_keyframe = False
        """True while arriving pictures are predicted from a frame that was lost."""
        self._camera = camera
        self._options = options
        self._ledger = ledger
        self._refusals = refusals
        self._own_limiter = LogLimiter(OVERLOADED_S, now_s=now_s)
        self._log_limiter = log_limiter
        self._now_s = now_s
        self._decoder = _new_decoder(options)
        self._references = References()
        self._behind = False
        self._behind_s = float("-inf")
        self._dropped = 0
        self.decoded_sequence: int | None = None
        """Of the picture that was decoded last; None before any."""
        self.decoded_packets = 0
        """Packets that were decoded so far, also those that only others needed."""

    @property
    def overloaded(self) -> bool:
        """True when pictures were dropped recently because decoding took too long."""
        return self._now_s() - self._behind_s < OVERLOADED_S

    def restart(self) -> None:
        """Discard all references, because another stream begins."""
        self._decoder = _new_decoder(self._options)
        self._references.clear()
        self.decoded_sequence = None
        self._behind = self.waiting_for_keyframe = False

    def reference_packet(self, newest_sequence: int | None, replay: Replay | None) -> bytes | None:
        """Return a packet from which another decoder goes on behind a picture.

        Parameters
        ----------
        newest_sequence : int or None
            Of that picture, the newest one of the stream.
        replay : Replay or None
            If the packets are those of a recording: the reference has their stream id.

        Returns
        -------
        bytes or None
            None if that picture is not what was decoded last.

        Raises
        ------
        NeedKeyframe
            If the codec predicts no picture: each of its packets is a beginning.
        """
        if newest_sequence is None or newest_sequence != self.decoded_sequence:
            return None
        data = self._decoder.reference_packet()
        if replay is None:
            return data
        packet = unpack(data, self._options.limits)
        return pack(replace(packet.header, stream_id=replay.stream), packet.body)

    def decode(
        self, packets: Sequence[Packet], budget_s: float, stopped: Callable[[], bool]
    ) -> Frame | None:
        """Decode the packets needed for the newest picture and return it.

        Pictures that were decoded only because newer ones depend on them count as skipped.

        Parameters
        ----------
        packets : sequence of Packet
            New pictures in the order of their sequences.
        budget_s : float
            In live mode no further picture is started after this time, except the last one: the
            next frame of a triggered camera may arrive much later.
        stopped : callable
            Called before every picture; True ends decoding.
        """
        newest: Frame | None = None
        waiting = deque(self._plan(packets))
        began_s = self._now_s()
        begun = False
        while waiting:
            if stopped():
                self._ledger.lose(STOPPED, len(waiting))
                break
            late = self._now_s() - began_s >= budget_s
            if self._options.live and begun and len(waiting) > 1 and late:
                self._fall_behind(len(waiting))
                break
            begun = True
            frame = self._decode_one(waiting.popleft(), self._ledger)
            if frame is not None:
                self._ledger.lose(SKIPPED_AS_OLD, 0 if newest is None else 1)
                newest = frame
        return newest

    def catch_up(
        self, packets: Sequence[Packet], budget_s: float, stopped: Callable[[], bool]
    ) -> Frame | None:
        """Decode what the newest of some pictures needs; the ledger has counted them already.

        Returns
        -------
        Frame or None
            The newest one. None if the time did not suffice: another call, with the pictures
            behind `decoded_sequence`, goes on. None too if a picture cannot be decoded:
            `waiting_for_keyframe` is True then.
        """
        frame: Frame | None = None
        began_s = self._now_s()
        for count, packet in enumerate(self._references.plan(packets).needed):
            if stopped() or (count and self._now_s() - began_s >= budget_s):
                return None
            frame = self._decode_one(packet, Ledger())
            if frame is None:
                self.waiting_for_keyframe = True
                return None
        return frame

    def _plan(self, packets: Sequence[Packet]) -> Sequence[Packet]:
        """Return the packets to decode; count the others as lost."""
        if not self._options.live:
            return packets
        plan = self._references.plan(packets)
        self._ledger.lose(SKIPPED_AS_OLD, plan.skipped)
        if not (self._behind and plan.unrooted):
            # The decoder itself quickly refuses a packet whose reference it lacks.
            return [*plan.needed, *plan.unrooted]
        self._ledger.lose(WAITING_FOR_KEYFRAME, len(plan.unrooted))
        return plan.needed

    def _decode_one(self, packet: Packet, ledger: Ledger) -> Frame | None:
        """Decode one packet, or count it as lost if that fails."""
        try:
            packet = self._decoder.complete(packet)
            pixels = self._decoder.decode_packet(packet)
        except NeedKeyframe as exc:
            if isinstance(exc, ChecksumMismatch):
                ledger.lose(WRONG_CHECKSUM)
                self._refusals.warn(exc)
                self._references.clear()
            else:
                log.debug("%s: %s", self._camera, exc)
                ledger.lose(WAITING_FOR_KEYFRAME)
            self.waiting_for_keyframe = True
            return None
        except WireError as exc:
            ledger.lose(REFUSED_PACKET)
            self._refusals.add(exc)
            return None
        self._refusals.clear()
        self._references.note_decoded(packet.header)
        self.decoded_packets += 1
        self.decoded_sequence = packet.header.sequence
        self._behind = self.waiting_for_keyframe = False
        return frame_of(packet, pixels, self._camera, writable=self._options.writable)

    def _fall_behind(self, count: int) -> None:
        """Drop `count` packets, at least two, that would be stale by the time they are decoded.

        All but the last one are references, so only a key frame helps.
        """
        self._ledger.lose(SKIPPED_AS_OLD, count)
        self._dropped += count
        self._behind = self.waiting_for_keyframe = True
        self._behind_s = self._now_s()
        if self._own_limiter.may_log() and self._log_limiter.may_log():
            log.warning(
                "%s: decoding is slower than the stream, %d frames dropped: "
                "reduce the picture size, set codec.refs=2 at the sender, or use a faster machine",
                self._camera,
                self._dropped,
            )
            self._dropped = 0


def _new_decoder(options: StreamOptions) -> Decoder:
    return Decoder(options.limits, models=options.models, writable=options.writable)
