"""The stream of one camera: puts packets in order, decodes them and accounts for every one."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rankcast.decoder import Decoder, frame_of
from rankcast.errors import (
    ChecksumMismatch,
    LimitError,
    NeedKeyframe,
    UnknownVersionError,
    WireError,
)
from rankcast.frame import Frame
from rankcast.runtime import (
    NETWORK_GAP,
    REFUSED_PACKET,
    SKIPPED_AS_OLD,
    STOPPED,
    WAITING_FOR_KEYFRAME,
    WRONG_CHECKSUM,
    Ledger,
    LogLimiter,
)
from rankcast.wire import Header, Kind, Limits, Packet, Status, parse_status
from rankcast_receiver.stream.backlog import Backlog
from rankcast_receiver.stream.camera_state import LATE_S
from rankcast_receiver.stream.late_frame_hold import LateFrameHold
from rankcast_receiver.stream.sender_clock import SenderClock

log = logging.getLogger(__name__)

COMPLAINT_INTERVAL_S = 1.0
"""A flood of bad packets must not become a flood of log lines."""
MAX_LATENCIES = 10_000
"""Kept for one report to the sender, that of a second."""
DECODE_BUDGET_S: Final = 0.25
"""For all pictures of one turn of the receive thread, in live mode: what waits meanwhile gets old,
and the longer a turn is, the more waits for the next one."""
OVERLOADED_S: Final = 10.0
"""After it fell behind a receiver is called overloaded for that long, and says so once in it."""
MAX_GAP: Final = 2**32
"""Frames that may be missing at once: seven weeks at 1000 a second. More is no gap but a lie."""
KEPT_STREAMS = 64
"""A receiver that runs for years beside a sender that restarts: the last ones suffice."""


@dataclass(frozen=True, slots=True)
class Delay:
    """From capture to decoded, and how far that may be off, in ms."""

    latency_ms: float
    error_ms: float


class CameraStream:
    """Everything a receiver knows about one camera.

    Parameters
    ----------
    camera : str
        Its name here; frames carry it.
    limits : Limits
    ledger : Ledger
        Published frames enter it, frames that were handed on pass, the rest is lost with a cause.
    clock : SenderClock, optional
        Of the sender, shared by its cameras.
    patience : LogLimiter, optional
        Shared by the cameras of a connection.
    models : Path, optional
        Folder of the model files that packets name.
    live : bool
        True: what the newest picture does not need is not decoded, and what takes longer than the
        budget is dropped. False: every packet is decoded.
    """

    def __init__(
        self,
        camera: str,
        limits: Limits,
        ledger: Ledger,
        clock: SenderClock | None = None,
        patience: LogLimiter | None = None,
        models: Path | None = None,
        *,
        live: bool = True,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.camera = camera
        self.ledger = ledger
        self.status: Status | None = None
        self.heard_s: float | None = None
        """When the last status came, or a picture after one; monotonic."""
        self.frame_s: float | None = None
        """When the last picture was handed out, monotonic."""
        self.captured_s: float | None = None
        """When that picture was taken, on the same clock; None where that is unknown."""
        self.ended = False
        self.stream_ids: list[bytes] = []
        self.waiting_for_keyframe = False
        """True while what comes is predicted from a frame that was lost."""
        self.refusal = ""
        """Why this receiver cannot take what comes, until it has decoded a picture again: a limit,
        a codec or a model, not damage on the way. In ASCII."""
        self.keyframe_requests = 0
        self._clock = clock or SenderClock()
        self._patience = patience or LogLimiter(burst=20)
        self._delays: list[Delay] = []
        self._limits = limits
        self._models = models
        self._decoder = Decoder(limits, models=models)
        self._live = live
        self._now_s = now_s
        self._backlog = Backlog()
        self._behind = False
        self._behind_s = self._said_behind_s = float("-inf")
        self._dropped = 0
        self._latecomer = LateFrameHold()
        self._stream_id = b""
        self._reached: dict[bytes, int] = {}
        self._next_sequence: int | None = None
        self._refused_unnamed = 0
        self._complained = float("-inf")
        self._untold_since_s: float | None = None

    @property
    def stream_id(self) -> bytes:
        """The stream that comes now; empty before any."""
        return self._stream_id

    @property
    def newest_sequence(self) -> int | None:
        """The newest frame that arrived or is known to be lost; None before any."""
        return self._next_sequence - 1 if self._next_sequence else None

    @property
    def waiting_packets(self) -> int:
        """Pictures that wait for `decode`."""
        return len(self._backlog)

    @property
    def overloaded(self) -> bool:
        """True when pictures were dropped lately because decoding took too long."""
        return self._now_s() - self._behind_s < OVERLOADED_S

    @property
    def holding(self) -> bool:
        """True while a picture that came late waits for a fresh one; `decode` gives it out."""
        return self._latecomer.waiting

    def abandon(self) -> None:
        """Count the picture that waits as stopped: nobody will call `decode` any more."""
        self.ledger.lose(STOPPED, self._latecomer.clear())

    @property
    def untold_s(self) -> float | None:
        """Time since a picture came, in seconds; None where status or end came after the newest."""
        return None if self._untold_since_s is None else self._now_s() - self._untold_since_s

    def take_delays(self) -> Sequence[Delay]:
        """Latencies of the frames since the last call, where the sender's clock is known."""
        delays, self._delays = self._delays, []
        return delays

    def refuse(self, error: WireError) -> None:
        """Count a packet that could not even be parsed.

        It has no sequence: the gap that it leaves is put down to it once the next one shows it.
        """
        self._refused_unnamed += 1
        if isinstance(error, LimitError | UnknownVersionError):
            self._note_refusal(error)  # anything else may be damage, and the next one whole
        self._complain(error)

    def accept(self, packet: Packet) -> bool:
        """Account for the place of `packet` in the stream; a picture waits for `decode`.

        Returns
        -------
        bool
            True for a picture that is new; False for status, end, duplicates and old ones.

        Raises
        ------
        WireError
            If it is a status or end with a broken body, or nobody publishes as many frames as are
            missing before it.
        """
        header = packet.header
        status = None if header.kind.is_picture else parse_status(packet)
        self._check_gap(header, header.sequence if status is None else status.published)
        self._clock.hear(
            header.t_capture_mono_ns, header.t_capture_utc_ns, time.monotonic_ns(), time.time_ns()
        )
        if header.stream_id != self._stream_id:
            upto = header.sequence + 1 if status is None else status.published
            if upto <= self._reached.get(header.stream_id, -1):
                # What was recorded on its way and is sent again is not the newest picture.
                log.debug("%s: a message of an earlier stream came again", self.camera)
                return False
            self._begin(header.stream_id)
        if status is not None:
            self.status = status
            self.heard_s = time.monotonic()
            self._clock.vouch(status.clock_synchronised, status.clock_error_ms)
            self._advance(status.published)
            self.ended = header.kind is Kind.END
            self._untold_since_s = None
            return False
        if self._next_sequence is not None and header.sequence < self._next_sequence:
            log.debug("%s: frame %d came again or late", self.camera, header.sequence)
            return False
        self._advance(header.sequence)
        self._next_sequence = header.sequence + 1
        self.ledger.enter()
        self.ledger.lose(SKIPPED_AS_OLD, self._backlog.add(packet))
        if self.heard_s is not None:
            self.heard_s = time.monotonic()
        self.ended = False
        self._untold_since_s = self._now_s()
        return True

    def decode(
        self,
        budget_s: float = DECODE_BUDGET_S,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Frame | None:
        """Decode the accepted packets in order and return the newest picture.

        Pictures that were decoded only because newer ones are predicted from them count as
        skipped. In live mode one that comes late after fresh ones waits for a second at most: what
        comes meanwhile takes its place. Call it again while `holding`.

        Parameters
        ----------
        budget_s : float
            In live mode no picture is begun after that but the first, and the last one left: the
            next may come much later.
        stopped : callable
            Asked before every picture; true ends it.
        """
        newest: Frame | None = None
        packets = deque(self._work())
        began_s = self._now_s()
        begun = False
        while packets:
            if stopped():
                self.ledger.lose(STOPPED, len(packets))
                break
            if self._live and begun and len(packets) > 1 and self._now_s() - began_s >= budget_s:
                self._fall_behind(len(packets))
                break
            begun = True
            frame = self._rebuild(packets.popleft())
            if frame is not None:
                self.ledger.lose(SKIPPED_AS_OLD, 0 if newest is None else 1)
                newest = frame
        now_s = self._now_s()
        if newest is not None:
            age_s = self._age_s(newest, now_s)
            late = self._live and age_s is not None and age_s > LATE_S
            self.ledger.lose(SKIPPED_AS_OLD, self._latecomer.put(newest, now_s, late=late))
        shown = self._latecomer.take(now_s, last=self.ended)
        if shown is not None:
            age_s = self._age_s(shown, now_s)
            self.ledger.passed()
            self.frame_s = now_s
            self.captured_s = None if age_s is None else now_s - age_s
        return shown

    def _age_s(self, frame: Frame, now_s: float) -> float | None:
        t_mono_ns, t_utc_ns = frame.t_capture_mono_ns, frame.t_capture_utc_ns
        age_ns = self._clock.age_ns(t_mono_ns, t_utc_ns, round(now_s * 1e9))
        return None if age_ns is None else age_ns / 1e9

    def _work(self) -> Sequence[Packet]:
        """Packets for the decoder; the others are accounted for."""
        if not self._live:
            return self._backlog.take_all().needed
        work = self._backlog.take_newest()
        self.ledger.lose(SKIPPED_AS_OLD, work.skipped)
        if not (self._behind and work.unrooted):
            # It knows best what it can decode, and says no quickly.
            return [*work.needed, *work.unrooted]
        self.ledger.lose(WAITING_FOR_KEYFRAME, len(work.unrooted))
        return work.needed

    def _rebuild(self, packet: Packet) -> Frame | None:
        """Decode one packet; where that cannot be it is counted as lost."""
        try:
            pixels = self._decoder.decode_packet(packet)
        except NeedKeyframe as exc:
            if isinstance(exc, ChecksumMismatch):
                self.ledger.lose(WRONG_CHECKSUM)
                self._complain(exc)
                self._backlog.broken()
            else:
                log.debug("%s: %s", self.camera, exc)
                self.ledger.lose(WAITING_FOR_KEYFRAME)
            self.waiting_for_keyframe = True
            return None
        except WireError as exc:
            self.ledger.lose(REFUSED_PACKET)
            self._note_refusal(exc)
            self._complain(exc)
            return None
        self.refusal = ""
        self._backlog.decoded(packet.header)
        self._behind = False
        self.waiting_for_keyframe = False
        return self._placed(frame_of(packet, pixels, self.camera))

    def _fall_behind(self, count: int) -> None:
        """Drop `count` packets, two at least, that would be old before they are decoded.

        All but the last are references, so that only a key frame helps.
        """
        self.ledger.lose(SKIPPED_AS_OLD, count)
        self._dropped += count
        self._behind = self.waiting_for_keyframe = True
        now = self._behind_s = self._now_s()
        if now - self._said_behind_s >= OVERLOADED_S and self._patience.may_say():
            log.warning(
                "%s: decoding is slower than the stream, %d frames dropped: "
                "make the picture smaller, set codec.refs=2, or use a faster machine",
                self.camera,
                self._dropped,
            )
            self._said_behind_s, self._dropped = now, 0

    def _placed(self, frame: Frame) -> Frame:
        """Bring the capture time of `frame` to the clock of this station, where that can be."""
        now = time.monotonic_ns()
        moment = self._clock.place(frame.t_capture_mono_ns, frame.t_capture_utc_ns, now)
        if moment is None:
            return frame
        if len(self._delays) < MAX_LATENCIES:
            self._delays.append(Delay((now - moment.t_mono_ns) / 1e6, moment.error_ns / 1e6))
        return replace(frame, t_capture_here_ns=moment.t_mono_ns, clock_error_ns=moment.error_ns)

    def _begin(self, stream_id: bytes) -> None:
        if self._stream_id and self._may_say():
            log.info("%s: the sender started again", self.camera)
        if self._next_sequence is not None:
            self._reached[self._stream_id] = self._next_sequence
        self._stream_id = stream_id
        if stream_id not in self.stream_ids:
            self.stream_ids.append(stream_id)
        del self.stream_ids[:-KEPT_STREAMS]
        for old in list(self._reached)[:-KEPT_STREAMS]:
            del self._reached[old]
        self._decoder = Decoder(self._limits, models=self._models)
        self.ledger.lose(SKIPPED_AS_OLD, self._backlog.clear())
        self.ledger.lose(SKIPPED_AS_OLD, self._latecomer.clear())
        self._backlog = Backlog()
        self._behind = False
        self._next_sequence = self._reached.pop(stream_id, None)
        self._refused_unnamed = 0
        self.refusal = ""
        self.waiting_for_keyframe = False
        self.status = self.heard_s = None

    def _check_gap(self, header: Header, sequence: int) -> None:
        """Refuse what would make the counts absurd, for they are said to people and to senders."""
        same = header.stream_id == self._stream_id
        reached = self._next_sequence if same else self._reached.get(header.stream_id)
        if reached is not None and sequence - reached > MAX_GAP:
            raise LimitError(f"{sequence - reached} frames are missing, the limit is {MAX_GAP}")

    def _advance(self, sequence: int) -> None:
        """Count what is missing before `sequence`; the first one seen is where we joined."""
        if self._next_sequence is not None and sequence > self._next_sequence:
            gap = sequence - self._next_sequence
            refused = min(gap, self._refused_unnamed)
            self.ledger.enter(gap)
            self.ledger.lose(REFUSED_PACKET, refused)
            self.ledger.lose(NETWORK_GAP, gap - refused)
        self._refused_unnamed = 0
        self._next_sequence = max(sequence, self._next_sequence or 0)

    def _note_refusal(self, error: WireError) -> None:
        self.refusal = str(error).encode("ascii", "backslashreplace").decode("ascii")

    def _complain(self, error: WireError | NeedKeyframe) -> None:
        if self._may_say():
            log.warning("%s: refused a packet: %s", self.camera, error)

    def _may_say(self) -> bool:
        now = time.monotonic()
        if now - self._complained < COMPLAINT_INTERVAL_S:
            return False
        self._complained = now
        return self._patience.may_say()


def decode_newest(
    streams: Collection[CameraStream], budget_s: float, stopped: Callable[[], bool]
) -> list[Frame]:
    """Decode what waits in several streams within one budget; each begins one picture at least.

    What one stream leaves is for the others, and the longest backlog comes last: a camera that
    cannot be followed takes nothing from those that can.
    """
    until_s = time.monotonic() + budget_s
    frames = []
    for done, stream in enumerate(sorted(streams, key=lambda s: s.waiting_packets)):
        share_s = (until_s - time.monotonic()) / (len(streams) - done)
        frame = stream.decode(share_s, stopped)
        if frame is not None:
            frames.append(frame)
    return frames
