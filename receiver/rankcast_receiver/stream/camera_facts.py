"""CameraFacts: what a receiver knows of one camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rankcast.frame import Frame, Scalar
from rankcast.rank_cut import CutCounts, RankCut
from rankcast.runtime import Ledger, LogLimiter
from rankcast.wire import MAIN, Status
from rankcast_receiver.clock import SenderClock
from rankcast_receiver.stream.late_frame_hold import LateFrameHold
from rankcast_receiver.stream.on_demand import OnDemandDecoder
from rankcast_receiver.stream.picture_decoder import PictureDecoder
from rankcast_receiver.stream.picture_facts import PictureFacts
from rankcast_receiver.stream.picture_times import PictureTimes
from rankcast_receiver.stream.refusals import Refusals
from rankcast_receiver.stream.sequence_gaps import SequenceGaps
from rankcast_receiver.stream.stream_options import StreamOptions

LOG_BURST: Final = 20
"""Log lines allowed at once, then one a second, for all cameras of a sender together: a hostile
sender can use 64 names, and a line a second for each would fill a disk."""


class CameraFacts:
    """The state of one camera; `CameraStream` changes it in the decode thread.

    May be read from any thread. Its parameters are those of `CameraStream`.
    """

    def __init__(
        self,
        camera: str,
        options: StreamOptions,
        clock: SenderClock | None,
        log_limiter: LogLimiter | None,
        ledger: Ledger | None,
        now_s: Callable[[], float],
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
        self._times = PictureTimes(clock or SenderClock())
        self.delays = self._times.delays
        self.latency = self._times.latency
        """From capture to decoded, of all frames with a known capture time; of those that nobody
        needs decoded, from capture until they were checked and in order."""
        self.latest_latencies = self._times.latest_latencies
        """The same of the latest frames, since decoding began or ended."""
        self.newest: PictureFacts | None = None
        """The newest picture that was handed out, or that nobody needed decoded."""
        self.decoded_frames = 0
        """Frames that were decoded and handed out."""
        self.packet_bytes = 0
        """Size of all pictures that arrived, as packets."""
        log_limiter = log_limiter or LogLimiter(burst=LOG_BURST)
        self._rank_cut = RankCut(options.rank, camera, log_limiter) if options.rank else None
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
        self.resting = False
        """True while only the status of the stream is received, and no frames."""
        self.apart = False
        """True from then to the first picture: what is published meanwhile is no loss."""

    @property
    def clock(self) -> SenderClock:
        """Clock of the camera station."""
        return self._times.clock

    @clock.setter
    def clock(self, clock: SenderClock) -> None:
        self._times.clock = clock

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
        replay = self._times.replay
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
        """Record whether a sink needs a key frame."""
        self._waiting_sinks[sink] = waits
