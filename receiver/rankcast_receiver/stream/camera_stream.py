"""CameraStream: puts the packets of one camera in order, decodes them and accounts for each."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from rankcast.boot_clock import boot_ns, boot_s
from rankcast.errors import (
    LimitError,
    NeedKeyframe,
    PayloadError,
    UnknownVersionError,
    WireError,
)
from rankcast.frame import Coding, Frame, Scalar
from rankcast.numerics import Histogram
from rankcast.rank_cut import CutCounts, RankCut
from rankcast.runtime import (
    REFUSED_PACKET,
    SKIPPED_AS_OLD,
    STOPPED,
    WAITING_FOR_KEYFRAME,
    Ledger,
    LogLimiter,
)
from rankcast.wire import MAIN, Header, Kind, Packet, Replay, Status, unpack
from rankcast_receiver.clock import Delays, LatestLatencies, SenderClock
from rankcast_receiver.state import LATE_S
from rankcast_receiver.stream.decoded import CameraPacket, Decoded
from rankcast_receiver.stream.late_frame_hold import LateFrameHold
from rankcast_receiver.stream.on_demand import OnDemandDecoder
from rankcast_receiver.stream.picture_decoder import DECODE_BUDGET_S, PictureDecoder
from rankcast_receiver.stream.picture_facts import (
    PictureFacts,
    facts_of_frame,
    facts_of_packet,
)
from rankcast_receiver.stream.received_packet import ReceivedPacket
from rankcast_receiver.stream.refusals import Refusals
from rankcast_receiver.stream.sequence_gaps import SequenceGaps
from rankcast_receiver.stream.stream_options import StreamOptions

log = logging.getLogger(__name__)

LOG_BURST: Final = 20
"""Log lines allowed at once, then one a second, for all cameras of a sender together: a hostile
sender can use 64 names, and a line a second for each would fill a disk."""


class CameraStream:
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
        self.camera = camera
        self.stream = MAIN
        """The stream of the camera that is decoded: ``main`` or a substream."""
        self.stream_changes = 0
        self._changes = False
        self.ledger = ledger or Ledger()
        self.packet_ledger = Ledger()
        """Ledger for sinks that accept packets: every new packet passes, decoded or not."""
        self.status: Status | None = None
        self.heard_s: float | None = None
        """Monotonic arrival time of the last status, or of a later picture."""
        self.frame_s: float | None = None
        """Monotonic time at which the last frame was handed out."""
        self.captured_s: float | None = None
        """Capture time of that frame on the same clock; None if unknown."""
        self.ended = False
        self.refused_packets = 0
        """Number of packets refused before decoding."""
        self.keyframe_requests = 0
        self.reference_wanted = False
        """True while a sink, which sets it, needs a reference packet."""
        self._waiting_sinks: dict[str, bool] = {}
        self.delays = Delays()
        self.latency = Histogram()
        """From capture to decoded, of all frames with a known capture time; of those that nobody
        needs decoded, from capture until they were checked and in order."""
        self.latest_latencies = LatestLatencies()
        """The same of the latest frames, since decoding began or ended."""
        self.newest: PictureFacts | None = None
        """The newest picture that was handed out, or that nobody needed decoded."""
        self.decoded_frames = 0
        """Frames that were decoded and handed out."""
        self.packet_bytes = 0
        """Size of all pictures that arrived, as packets."""
        log_limiter = log_limiter or LogLimiter(burst=LOG_BURST)
        self._rank_cut = RankCut(options.rank, camera, log_limiter) if options.rank else None
        self.clock = clock or SenderClock()
        """Clock of the camera station."""
        self.reported: Callable[[], Mapping[str, Scalar]] | None = None
        """Returns what is reported to the sender; None: the totals of this stream."""
        self._options = options
        self._now_s = now_s
        self._gaps = SequenceGaps((self.ledger, self.packet_ledger))
        self._refusals = Refusals(camera, log_limiter, now_s)
        decoder = PictureDecoder(camera, options, self.ledger, self._refusals, log_limiter, now_s)
        self._decoder = OnDemandDecoder(
            decoder, self.ledger, self._refusals, always=not options.on_demand, now_s=now_s
        )
        self.demand = self._decoder.demand
        """Whether somebody needs pixels; tell it again and again."""
        self._hold = LateFrameHold()
        self._unconfirmed_since_s: float | None = None
        self._newest_picture: int | None = None
        self._handed_out: tuple[bytes, int] | None = None
        """Stream and sequence of the decoded frame that was handed out last."""
        self._undecoded: tuple[bytes, int] | None = None
        """The same of the newest picture that nobody needed decoded."""
        self._replay: Replay | None = None
        """How times of the latest picture are to be read, if it is one of a recording."""

    @property
    def stream_id(self) -> bytes:
        """The current stream; empty before any."""
        return self._gaps.stream_id

    @property
    def stream_ids(self) -> Sequence[bytes]:
        """All streams so far; if the sender restarts often, only the latest ones."""
        return self._gaps.stream_ids

    @property
    def newest_sequence(self) -> int | None:
        """Newest frame that arrived or is known to be lost; None before any."""
        return self._gaps.newest_sequence

    @property
    def waiting_for_keyframe(self) -> bool:
        """True while arriving pictures are predicted from a frame that was lost, or is older."""
        return self._decoder.waiting_for_keyframe

    @property
    def joining(self) -> bool:
        """True until the first picture of the stream could be decoded."""
        return not self._decoder.began

    @property
    def cut_counts(self) -> CutCounts:
        """What cutting to a rank did to the packets; all 0 without."""
        return CutCounts() if self._rank_cut is None else self._rank_cut.counts

    @property
    def needs_keyframe(self) -> bool:
        """True while the decoder or a sink waits for a key frame."""
        return self._decoder.needs_keyframe or any(tuple(self._waiting_sinks.values()))

    @property
    def decoding(self) -> bool:
        """True while every picture is decoded; False while nobody needs pixels."""
        return self._decoder.decoding

    @property
    def decoded_packets(self) -> int:
        """Packets that were decoded so far, also those that only others needed."""
        return self._decoder.decoded_packets

    @property
    def replay_speed(self) -> float:
        """Seconds of a recording that are shown in one; 1 for a camera."""
        replay = self._replay
        return 1.0 if replay is None else replay.speed

    @property
    def overloaded(self) -> bool:
        """True when pictures were dropped recently because decoding took too long."""
        return self._decoder.overloaded

    @property
    def refusal(self) -> str:
        """Why this receiver cannot decode the stream; empty while it can."""
        return self._refusals.reason

    @property
    def holding(self) -> bool:
        """True while a late frame is held in case a fresh one follows; `decode` hands it out."""
        return self._hold.waiting

    @property
    def unfinished(self) -> bool:
        """True while `decode` has something to do without a new packet."""
        return self.holding or self.reference_wanted or self._decoder.catching_up

    @property
    def unconfirmed_s(self) -> float | None:
        """Time since the last picture arrived; None if a status or end message followed it.

        Without one, the number of frames published since then is unknown.
        """
        since_s = self._unconfirmed_since_s
        return None if since_s is None else self._now_s() - since_s

    def is_newest(self, frame: Frame) -> bool:
        """Return False for a decoded frame if newer pictures came that nobody needed decoded."""
        undecoded = self._undecoded
        if undecoded is None:
            return True
        if frame.stream_id == undecoded[0]:
            return frame.sequence >= undecoded[1]
        return frame.stream_id == self.stream_id

    def note_waits(self, sink: str, *, waits: bool) -> None:
        """Record whether a sink needs a key frame; may be called from any thread."""
        self._waiting_sinks[sink] = waits

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
            if arrived.catch_up:
                catch_up = self._take_catch_up(arrived) or catch_up
                continue
            stream_id = self.stream_id
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
            data = self._decoder.reference_packet(self._newest_picture, self._replay)
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
        if status is not None:
            self.status = status
            self.heard_s = received.t_received_s
            self._gaps.advance(published)
            self.ended = header.kind is Kind.END
            self._unconfirmed_since_s = None
            return None
        if not self._gaps.accept(header.sequence):
            log.debug("%s: ignored frame %d: a duplicate, or late", self.camera, header.sequence)
            return None
        self.packet_ledger.passed()
        if self.heard_s is not None:
            self.heard_s = received.t_received_s
        self.ended = False
        self._unconfirmed_since_s = self._now_s()
        self._replay = received.replay
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
        if not self._decoder.lacks_start:
            return ()
        if header.stream_id != self.stream_id:
            if self.stream_id:
                return ()  # a status or a frame says that another stream has begun
            self._begin(header.stream_id, received.replay)
        self._replay = received.replay
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
            self.clock.compare(*self._times(newest), boot_ns(), time.time_ns())
            age_s = self._age_s(newest, now_s)
            late = self._options.live and age_s is not None and age_s > LATE_S
            placed = self._place_capture(newest)
            self._measure(placed.t_capture_here_ns, placed.clock_error_ns)
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
        self.clock.compare(*self._times(header), boot_ns(), time.time_ns())
        moment = self.clock.place(*self._times(header), boot_ns())
        here_ns, error_ns = (None, 0) if moment is None else (moment.t_mono_ns, moment.error_ns)
        self._measure(here_ns, error_ns)
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
        return self._place_capture(frame)

    def _note_received(self, picture: Frame | Header, now_s: float) -> None:
        age_s = self._age_s(picture, now_s)
        self.ledger.passed()
        self.frame_s = now_s
        self.captured_s = None if age_s is None else now_s - age_s

    def _age_s(self, picture: Frame | Header, now_s: float) -> float | None:
        age_ns = self.clock.age_ns(*self._times(picture), round(now_s * 1e9))
        return None if age_ns is None else age_ns / 1e9

    def _times(self, picture: Frame | Header) -> tuple[int, int]:
        """When it was captured, or shown from a recording, on both clocks of the sender."""
        if self._replay is not None:
            return self._replay.shown_ns(picture.t_capture_mono_ns)
        return picture.t_capture_mono_ns, picture.t_capture_utc_ns

    def _place_capture(self, frame: Frame) -> Frame:
        """Convert the capture time of `frame` to the local clock, if the offset is known."""
        moment = self.clock.place(*self._times(frame), boot_ns())
        if moment is None:
            return frame if self.stream == MAIN else replace(frame, stream=self.stream)
        return replace(
            frame,
            stream=self.stream,
            t_capture_here_ns=moment.t_mono_ns,
            clock_error_ns=moment.error_ns,
        )

    def _measure(self, t_capture_here_ns: int | None, error_ns: int) -> None:
        """Note how long after its capture a picture is ready."""
        if t_capture_here_ns is None:
            return
        latency_ns = boot_ns() - t_capture_here_ns
        self.latency.add(latency_ns / 1e6)
        self.delays.add(latency_ns, error_ns)
        self.latest_latencies.add(latency_ns, error_ns)
