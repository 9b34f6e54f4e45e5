"""CameraStream: puts the packets of one camera in order, decodes them and accounts for each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from rankcast.boot_clock import boot_s
from rankcast.errors import (
    LimitError,
    NeedKeyframe,
    PayloadError,
    UnknownVersionError,
    WireError,
)
from rankcast.frame import Coding, Frame
from rankcast.runtime import (
    REFUSED_PACKET,
    SKIPPED_AS_OLD,
    STOPPED,
    WAITING_FOR_KEYFRAME,
    Ledger,
    LogLimiter,
)
from rankcast.wire import Header, Kind, Packet, Replay, unpack
from rankcast_receiver.clock import SenderClock
from rankcast_receiver.state import LATE_S
from rankcast_receiver.stream.camera_facts import CameraFacts
from rankcast_receiver.stream.decoded import CameraPacket, Decoded
from rankcast_receiver.stream.picture_decoder import DECODE_BUDGET_S
from rankcast_receiver.stream.picture_facts import (
    facts_of_frame,
    facts_of_packet,
)
from rankcast_receiver.stream.received_packet import ReceivedPacket
from rankcast_receiver.stream.stream_options import StreamOptions

log = logging.getLogger(__name__)


class CameraStream(CameraFacts):
    """State and decoder of one camera at the receiver.

    Parameters
    ----------
    camera : str
        Name at this receiver; stored in its frames.
    options : StreamOptions
    clock : SenderClock, optional
        Clock of the sender, shared by its cameras.
    log_limiter : LogLimiter, optional
        Shared by the cameras of a sender.
    ledger : Ledger, optional
        Every published frame enters it; frames that were decoded pass, and those that nobody
        needed decoded; the others are lost with a cause.
    now_s : callable
        Monotonic clock.

    Notes
    -----
    Call `decode` and `stop` only in the decode thread. Everything else may be read from any
    thread.
    """

    def __init__(
        self,
        camera: str,
        options: StreamOptions = StreamOptions(),  # noqa: B008 - frozen
        clock: SenderClock | None = None,
        log_limiter: LogLimiter | None = None,
        ledger: Ledger | None = None,
        *,
        now_s: Callable[[], float] = boot_s,
    ) -> None:
        super().__init__(camera, options, clock, log_limiter, ledger, now_s)

    def decode(
        self,
        received: Sequence[ReceivedPacket],
        budget_s: float = DECODE_BUDGET_S,
        stopped: Callable[[], bool] = lambda: False,
        *,
        dropped: int = 0,
    ) -> Decoded:
        """Order the received packets and decode the newest picture if somebody needs it.

        In live mode a late frame that follows fresh ones is held for at most a second, and frames
        that arrive meanwhile replace it. Call `decode` again while `holding`.

        Parameters
        ----------
        received : sequence of ReceivedPacket
            In order of arrival.
        budget_s, stopped
            See `PictureDecoder.decode`.
        dropped : int
            Pictures before these that were dropped unread.
        """
        if dropped:
            self._gaps.note_lost(SKIPPED_AS_OLD, dropped)
        fresh: list[CameraPacket] = []
        notices: list[CameraPacket] = []
        begun = 0
        catch_up: Sequence[CameraPacket] = ()
        for arrived in received:
            stream_id = self.stream_id
            if arrived.catch_up:
                catch_up = self._take_catch_up(arrived) or catch_up
                if self.stream_id != stream_id:
                    begun = len(fresh)
                continue
            message = self._cut(arrived)
            packet = self._accept(message, len(arrived.data))
            if self.stream_id != stream_id:
                begun, catch_up = len(fresh), ()
            if packet is not None:
                fresh.append(CameraPacket(self.camera, packet, message.data, message.t_received_s))
            elif message.packet is not None and message.status is self.status is not None:
                notices.append(
                    CameraPacket(self.camera, message.packet, message.data, message.t_received_s)
                )
        # Pictures of a stream that has since ended.
        self.ledger.lose(SKIPPED_AS_OLD, begun)
        pictures: Sequence[Packet] = [item.packet for item in fresh[begun:]]
        if catch_up:
            pictures = self._catch_up(catch_up, pictures, budget_s, stopped)
        decoding = self.decoding
        found = self._decoder.decode(
            pictures, budget_s, stopped, for_reference=self.reference_wanted
        )
        if self.decoding is not decoding:
            self.latest_latencies.clear()
        frame = self._hand_out(None if found.caught_up else found.frame)
        codings = [] if frame is None or frame.coding is None else [frame.coding]
        codings += [self._pass_undecoded(packet) for packet in found.undecoded]
        if found.caught_up and found.frame is not None:
            frame = self._hand_out_caught_up(found.frame)
        if fresh:
            self._newest_picture = fresh[-1].packet.header.sequence
        reference = self._make_reference() if self.reference_wanted else None
        return Decoded(fresh, frame, notices, reference, codings, catch_up)

    def change(self, stream: str) -> None:
        """Go on with another stream of the camera: its first packet, a key frame, comes next.

        The ledger goes on. What is published of the stream that was left is no loss, now or when
        it is shown again.
        """
        self.stream, self._changes = stream, True
        self.stream_changes += 1

    def rest(self) -> None:
        """Go on with the status alone: no frames are received until `resume`.

        What is published meanwhile is no loss, and the next picture may need others before it.
        """
        self.resting = self.apart = True
        self.frame_s = self.captured_s = None
        self._decoder.restart()

    def resume(self) -> None:
        """Go on with frames."""
        self.resting = False

    def withdraw(self) -> None:
        """Note that the sender no longer offers this camera; frames until it does are no loss."""
        self.ended = True
        self._gaps.leave()

    def stop(self) -> None:
        """Count the held frame as stopped: `decode` will not be called again."""
        self.ledger.lose(STOPPED, self._hold.clear())

    def _make_reference(self) -> CameraPacket | None:
        """Return a packet to go on from behind all pictures so far; None while there is none."""
        try:
            data = self._decoder.reference_packet(self._newest_picture, self._times.replay)
        except NeedKeyframe:
            self.reference_wanted = False  # every frame of this codec is a beginning
            return None
        if data is None:
            return None
        self.reference_wanted = False
        packet = unpack(data, self._options.limits)
        return CameraPacket(self.camera, packet, memoryview(data), self._now_s(), made_here=True)

    def _cut(self, received: ReceivedPacket) -> ReceivedPacket:
        """Return a packet at the rank that is wanted, or with the reason why it has no such one."""
        if received.packet is None:
            return received
        try:
            packet, data = self._cut_picture(received.packet, received.data)
        except WireError as exc:
            return replace(received, packet=None, data=memoryview(b""), error=exc)
        if packet is received.packet:
            return received
        return replace(received, packet=packet, data=data)

    def _cut_picture(self, packet: Packet, data: memoryview) -> tuple[Packet, memoryview]:
        return (packet, data) if self._rank_cut is None else self._rank_cut.cut(packet, data)

    def _accept(self, received: ReceivedPacket, arrived_bytes: int) -> Packet | None:
        """Account for one packet; return it if it is a new picture."""
        packet = received.packet
        try:
            if packet is None:
                raise received.error or WireError("no packet")
            placed = self._place(packet, received)
        except WireError as exc:
            # Its sequence number cannot be trusted: the next gap is attributed to it.
            self._gaps.note_lost(REFUSED_PACKET)
            self.refused_packets += 1
            if isinstance(exc, LimitError | UnknownVersionError | PayloadError):
                self._refusals.add(exc)
            else:
                self._refusals.warn(exc)  # damage in transit: the next packet may be intact
            return None
        if placed is not None:
            self.packet_bytes += arrived_bytes
        return placed

    def _place(self, packet: Packet, received: ReceivedPacket) -> Packet | None:
        header, status = packet.header, received.status
        published = header.sequence + 1 if status is None else status.published
        self._gaps.check(header.stream_id, header.sequence if status is None else published)
        if self._gaps.is_replay(header.stream_id, published):
            # A recorded and replayed message: not the newest picture.
            log.debug("%s: ignored a message of an earlier stream", self.camera)
            return None
        if header.stream_id != self.stream_id:
            self._begin(header.stream_id, status.replay if status else received.replay)
        if self.apart:
            self._gaps.leave()
        if status is not None:
            self.status = status
            self.heard_s = received.t_received_s
            self._gaps.advance(published)
            if status.relay.get("idle") is True:
                self._gaps.leave()  # what a relay does not receive itself, nobody misses here
            self.ended = header.kind is Kind.END
            self._unconfirmed_since_s = None
            return None
        if not self._gaps.accept(header.sequence):
            log.debug("%s: ignored frame %d: a duplicate, or late", self.camera, header.sequence)
            return None
        self.apart = False
        self.packet_ledger.passed()
        if self.heard_s is not None:
            self.heard_s = received.t_received_s
        self.ended = False
        self._unconfirmed_since_s = self._now_s()
        self._times.replay = received.replay
        return packet

    def _begin(self, stream_id: bytes, replay: Replay | None) -> None:
        if self.stream_id and not self._changes and self._refusals.may_log():
            if replay is None:
                log.info("%s: the sender has restarted", self.camera)
            else:
                log.info("%s: a recording is replayed, loop %d", self.camera, replay.loop)
        self._gaps.begin(stream_id)
        if self._changes:
            self._gaps.leave()
            self._changes = False
        self._decoder.restart()
        self._refusals.clear()
        self.ledger.lose(SKIPPED_AS_OLD, self._hold.clear())
        self.status = self.heard_s = None

    def _take_catch_up(self, received: ReceivedPacket) -> Sequence[CameraPacket]:
        """Return what a relay sent so that this viewer can go on; nothing if it does not need it.

        Its pictures count as no frames: whoever joins counts from the first one that it gets.
        """
        header = received.catch_up[0][0].header
        if not (self._decoder.lacks_start or self._changes):
            return ()
        if header.stream_id != self.stream_id:
            if self.stream_id and not self._changes:
                return ()  # a status or a frame says that another stream has begun
            self._begin(header.stream_id, received.replay)
        self._times.replay = received.replay
        try:
            pictures = [self._cut_picture(packet, data) for packet, data in received.catch_up]
        except WireError as exc:
            self._refusals.warn(exc)
            return ()
        return [
            CameraPacket(self.camera, packet, data, received.t_received_s)
            for packet, data in pictures
        ]

    def _catch_up(
        self,
        catch_up: Sequence[CameraPacket],
        pictures: Sequence[Packet],
        budget_s: float,
        stopped: Callable[[], bool],
    ) -> Sequence[Packet]:
        """Go on from a catch-up; return the pictures behind it, and count the others as lost."""
        packets = [item.packet for item in catch_up]
        self._decoder.begin_with(packets, budget_s, stopped)
        reached = packets[-1].header.sequence
        later = [packet for packet in pictures if packet.header.sequence > reached]
        self.ledger.lose(WAITING_FOR_KEYFRAME, len(pictures) - len(later))
        return later

    def _hand_out(self, newest: Frame | None) -> Frame | None:
        """Return the frame that is due: `newest`, or a held one that no fresh frame replaced."""
        now_s = self._now_s()
        if newest is not None:
            # A step must be known before the stepped clock makes the frame old.
            self._times.compare(newest)
            age_s = self._times.age_s(newest, now_s)
            late = self._options.live and age_s is not None and age_s > LATE_S
            placed = self._times.place(newest, self.stream)
            self._times.measure(placed.t_capture_here_ns, placed.clock_error_ns)
            self.ledger.lose(SKIPPED_AS_OLD, self._hold.put(placed, now_s, late=late))
        frame = self._hold.take(now_s, last=self.ended or not self.decoding)
        if frame is not None:
            self._note_received(frame, now_s)
            self.newest = facts_of_frame(frame)
            self._handed_out = frame.stream_id, frame.sequence
            self.decoded_frames += 1
        return frame

    def _pass_undecoded(self, packet: Packet) -> Coding:
        """Count a picture that nobody needs decoded, and note what its header says."""
        header, now_s = packet.header, self._now_s()
        self._times.compare(header)
        here_ns, error_ns = self._times.here(header)
        self._times.measure(here_ns, error_ns)
        self._note_received(header, now_s)
        self._undecoded = header.stream_id, header.sequence
        self.newest = facts_of_packet(packet, self.stream, here_ns, error_ns)
        return self.newest.coding

    def _hand_out_caught_up(self, frame: Frame) -> Frame | None:
        """Return a picture that was counted while nobody needed it; None if it was handed out."""
        handed_out = frame.stream_id, frame.sequence
        if handed_out == self._handed_out:
            return None
        self._handed_out = handed_out
        self.decoded_frames += 1
        return self._times.place(frame, self.stream)

    def _note_received(self, picture: Frame | Header, now_s: float) -> None:
        age_s = self._times.age_s(picture, now_s)
        self.ledger.passed()
        self.frame_s = now_s
        self.captured_s = None if age_s is None else now_s - age_s
