"""CameraStream: puts the packets of one camera in order, decodes them and accounts for each."""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rankcast.boot_clock import boot_ns, boot_s
from rankcast.errors import LimitError, NeedKeyframe, UnknownVersionError, WireError
from rankcast.frame import Frame, Scalar
from rankcast.numerics import Histogram
from rankcast.runtime import REFUSED_PACKET, SKIPPED_AS_OLD, STOPPED, Ledger, LogLimiter
from rankcast.wire import Kind, Packet, Replay, Status, unpack
from rankcast_receiver.clock import Delays, SenderClock
from rankcast_receiver.state import LATE_S
from rankcast_receiver.stream.late_frame_hold import LateFrameHold
from rankcast_receiver.stream.picture_decoder import DECODE_BUDGET_S, PictureDecoder
from rankcast_receiver.stream.received_packet import ReceivedPacket
from rankcast_receiver.stream.refusals import Refusals
from rankcast_receiver.stream.sequence_gaps import SequenceGaps
from rankcast_receiver.stream.stream_options import StreamOptions

log = logging.getLogger(__name__)

LOG_BURST: Final = 20
"""Log lines allowed at once, then one a second, for all cameras of a sender together: a hostile
sender can use 64 names, and a line a second for each would fill a disk."""


@dataclass(frozen=True, slots=True)
class CameraPacket:
    """A packet, for sinks that accept packets."""

    camera: str
    """Name of the camera at this receiver."""
    packet: Packet
    data: memoryview
    """The whole packet as it was received."""
    t_received_s: float
    """Monotonic."""
    made_here: bool = False
    """True for a reference packet, which this receiver made of what it has decoded."""

    @property
    def is_picture(self) -> bool:
        """False for a status, an end, or a reference that was made here: it counts as no frame."""
        return self.packet.header.kind.is_picture and not self.made_here


@dataclass(frozen=True, slots=True)
class Decoded:
    """Result of decoding one batch of packets of one camera."""

    packets: Sequence[CameraPacket]
    """The new pictures in order, each exactly once, decodable or not."""
    frame: Frame | None
    """The newest decoded picture; None when there is none to hand out."""
    notices: Sequence[CameraPacket] = ()
    """The status and end messages that came among the packets."""
    reference: CameraPacket | None = None
    """Goes on behind all of these packets; made because `CameraStream.reference_wanted`."""

    @property
    def messages(self) -> Iterable[CameraPacket]:
        """Packets and notices in the order of their arrival."""
        if not self.notices:
            return self.packets
        return heapq.merge(self.packets, self.notices, key=lambda item: item.t_received_s)


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
        Every published frame enters it; decoded frames pass, the others are lost with a cause.
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
        """From capture to decoded, of all frames with a known capture time."""
        self.packet_bytes = 0
        """Size of all pictures that arrived, as packets."""
        log_limiter = log_limiter or LogLimiter(burst=LOG_BURST)
        self.clock = clock or SenderClock()
        """Clock of the camera station."""
        self.reported: Callable[[], Mapping[str, Scalar]] | None = None
        """Returns what is reported to the sender; None: the totals of this stream."""
        self._options = options
        self._now_s = now_s
        self._gaps = SequenceGaps((self.ledger, self.packet_ledger))
        self._refusals = Refusals(camera, log_limiter, now_s)
        self._decoder = PictureDecoder(
            camera, options, self.ledger, self._refusals, log_limiter, now_s
        )
        self._hold = LateFrameHold()
        self._unconfirmed_since_s: float | None = None
        self._newest_picture: int | None = None
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
        """True while arriving pictures are predicted from a frame that was lost."""
        return self._decoder.waiting_for_keyframe

    @property
    def needs_keyframe(self) -> bool:
        """True while the decoder or a sink waits for a key frame."""
        return self._decoder.waiting_for_keyframe or any(tuple(self._waiting_sinks.values()))

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
    def unconfirmed_s(self) -> float | None:
        """Time since the last picture arrived; None if a status or end message followed it.

        Without one, the number of frames published since then is unknown.
        """
        since_s = self._unconfirmed_since_s
        return None if since_s is None else self._now_s() - since_s

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
        """Order the received packets and decode the newest picture.

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
        catch_up: Sequence[Packet] = ()
        for message in received:
            if message.catch_up:
                catch_up = self._take_catch_up(message)
                continue
            stream_id = self.stream_id
            packet = self._accept(message)
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
        pictures = [item.packet for item in fresh[begun:]]
        if catch_up:
            self._decoder.catch_up(catch_up, budget_s, stopped)
        if self._options.on_demand:
            frame = None
            self._pass_undecoded(pictures)
        else:
            frame = self._decoder.decode(pictures, budget_s, stopped)
        if fresh:
            self._newest_picture = fresh[-1].packet.header.sequence
        reference = self._make_reference() if self.reference_wanted else None
        return Decoded(fresh, self._hand_out(frame), notices, reference)

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

    def _accept(self, received: ReceivedPacket) -> Packet | None:
        """Account for one packet; return it if it is a new picture."""
        packet = received.packet
        try:
            if packet is None:
                raise received.error or WireError("no packet")
            return self._place(packet, received)
        except WireError as exc:
            # Its sequence number cannot be trusted: the next gap is attributed to it.
            self._gaps.note_lost(REFUSED_PACKET)
            self.refused_packets += 1
            if isinstance(exc, LimitError | UnknownVersionError):
                self._refusals.add(exc)
            else:
                self._refusals.warn(exc)  # damage in transit: the next packet may be intact
            return None

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
        self.packet_bytes += len(received.data)
        if self.heard_s is not None:
            self.heard_s = received.t_received_s
        self.ended = False
        self._unconfirmed_since_s = self._now_s()
        self._replay = received.replay
        return packet

    def _begin(self, stream_id: bytes, replay: Replay | None) -> None:
        if self.stream_id and self._refusals.may_log():
            if replay is None:
                log.info("%s: the sender has restarted", self.camera)
            else:
                log.info("%s: a recording is replayed, loop %d", self.camera, replay.loop)
        self._gaps.begin(stream_id)
        self._decoder.restart()
        self._refusals.clear()
        self.ledger.lose(SKIPPED_AS_OLD, self._hold.clear())
        self.status = self.heard_s = None

    def _take_catch_up(self, received: ReceivedPacket) -> Sequence[Packet]:
        """Return what a relay sent so that this viewer can go on; nothing if it does not need it.

        Its pictures count as no frames: whoever joins counts from the first one that it gets.
        """
        header = received.catch_up[0].header
        if not self._decoder.lacks_start or self._options.on_demand:
            return ()
        if header.stream_id != self.stream_id:
            if self.stream_id:
                return ()  # a status or a frame says that another stream has begun
            self._begin(header.stream_id, received.replay)
        self._replay = received.replay
        return received.catch_up

    def _pass_undecoded(self, pictures: Sequence[Packet]) -> None:
        """Count pictures that nobody needs decoded."""
        if pictures:
            self.ledger.passed(len(pictures))
            self.frame_s = self._now_s()

    def _hand_out(self, newest: Frame | None) -> Frame | None:
        """Return the frame that is due: `newest`, or a held one that no fresh frame replaced."""
        now_s = self._now_s()
        if newest is not None:
            # A step must be known before the stepped clock makes the frame old.
            self.clock.compare(*self._times(newest), boot_ns(), time.time_ns())
            age_s = self._age_s(newest, now_s)
            late = self._options.live and age_s is not None and age_s > LATE_S
            placed = self._place_capture(newest)
            self.ledger.lose(SKIPPED_AS_OLD, self._hold.put(placed, now_s, late=late))
        frame = self._hold.take(now_s, last=self.ended)
        if frame is not None:
            age_s = self._age_s(frame, now_s)
            self.ledger.passed()
            self.frame_s = now_s
            self.captured_s = None if age_s is None else now_s - age_s
        return frame

    def _age_s(self, frame: Frame, now_s: float) -> float | None:
        age_ns = self.clock.age_ns(*self._times(frame), round(now_s * 1e9))
        return None if age_ns is None else age_ns / 1e9

    def _times(self, frame: Frame) -> tuple[int, int]:
        """When `frame` was captured, or shown from a recording, on both clocks of the sender."""
        if self._replay is not None:
            return self._replay.shown_ns(frame.t_capture_mono_ns)
        return frame.t_capture_mono_ns, frame.t_capture_utc_ns

    def _place_capture(self, frame: Frame) -> Frame:
        """Convert the capture time of `frame` to the local clock, if the offset is known."""
        now_ns = boot_ns()
        moment = self.clock.place(*self._times(frame), now_ns)
        if moment is None:
            return frame
        self.latency.add((now_ns - moment.t_mono_ns) / 1e6)
        self.delays.add(now_ns - moment.t_mono_ns, moment.error_ns)
        return replace(frame, t_capture_here_ns=moment.t_mono_ns, clock_error_ns=moment.error_ns)
