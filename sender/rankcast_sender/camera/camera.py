"""Camera: the state of one camera, shared by all threads of the sender."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from rankcast.codec import CODECS_BY_NAME, DEFAULT_CODEC
from rankcast.encoder import EncodedPacket
from rankcast.frame import Frame, Pixels, Scalar
from rankcast.runtime import (
    MAILBOX,
    STOPPED,
    Balance,
    Ledger,
    Mailbox,
    Pulse,
    clock_quality,
)
from rankcast.wire import STREAM_ID_BYTES, Limits, Status, check_stream
from rankcast_sender.camera.codec_settings import CodecChange, CodecSettings
from rankcast_sender.camera.keyframe_budget import KeyframeBudget
from rankcast_sender.camera.link_follower import LinkFollower
from rankcast_sender.camera.newest_frame import NewestFrame
from rankcast_sender.camera.source_state import SourceState
from rankcast_sender.camera.stream_figures import StreamFigures
from rankcast_sender.camera.viewer_reports import ViewerReport, ViewerReports, ViewerTotal
from rankcast_sender.joins import CameraJoins
from rankcast_sender.sockets import Channel
from rankcast_sender.sources import Adjustments

DEFAULT_MAX_PACKET_BYTES: Final = Limits().max_packet_bytes
"""Viewers refuse larger packets unless their own limit was raised."""


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """Options of the stream of one camera."""

    name: str = "cam"
    """Name that viewers see: 1 to 32 of a-z, 0-9, _ and -; of a substream ``NAME.SUB``."""
    codec: str = DEFAULT_CODEC
    codec_options: Mapping[str, Any] = field(default_factory=dict)
    realtime: bool = True
    """True: a newer frame replaces a queued one. False: every frame is sent."""
    source: str = ""
    """Source of the frames, until the source describes itself."""
    max_packet_bytes: int = DEFAULT_MAX_PACKET_BYTES


class MakeJoins(Protocol):
    """What publishes the camera, to one viewer alone as well."""

    def __call__(
        self,
        channel: Channel,
        ask_keyframe: Callable[[bytes], object],
        makes_keyframe: Callable[[], bool],
        /,
    ) -> CameraJoins:
        """Return what lets viewers join in the middle of a group; see `CameraJoins`."""


class SenderFacts(Protocol):
    """Facts about the publishing sockets that the status of a camera includes."""

    @property
    def control_port(self) -> int:
        """Port of the control channel; 0 without one."""

    @property
    def key_state(self) -> Mapping[str, Scalar]:
        """State of the authorised keys; empty without keys."""

    @property
    def records_events(self) -> bool:
        """True if a `record` request starts the recording of an event."""


class Tape(Protocol):
    """The recording of one camera at its sender."""

    @property
    def recorded(self) -> int:
        """Frames in the kernel, which survive the end of this process."""

    @property
    def lost(self) -> Mapping[str, int]:
        """Frames that are not recorded although they were published, by cause."""

    def offer(self, packet: EncodedPacket) -> None:
        """Record a picture that was published, without waiting."""

    def note(self, data: bytes) -> None:
        """Record a status or an end, without waiting."""


class Camera:
    """State of one camera, from the grabbed frame to the packet handed to the socket.

    The grab thread calls `put` and `lose`, the encode thread takes frames from `mailbox`, the
    socket thread counts what it sent through `channel`, and requests read and set the rest.

    Parameters
    ----------
    options : StreamOptions

    Raises
    ------
    SettingsError
        If the name, the codec or one of its options is wrong.
    """

    def __init__(self, options: StreamOptions) -> None:
        self.name = check_stream(options.name)
        self._codec = options.codec
        self.replayed_codec = ""
        """Codec of the packets of a recording; empty for a live stream."""
        self.codec_settings = CodecSettings(
            options.codec, options.codec_options, self._expects_frame
        )
        self.realtime = options.realtime
        self.source = SourceState(options.source)
        self.ledger = Ledger()
        self.figures = StreamFigures()
        self.keyframes = KeyframeBudget()
        self.pulse = Pulse(f"encode of {self.name}")
        """Pulse of the encode thread, at rest while it waits for a frame or for viewers."""
        self.sender: SenderFacts | None = None
        """The sockets that publish this camera; None until it is added to them."""
        self.tape: Tape | None = None
        """The recording of this camera; None without one."""
        self.kept = False
        """True while a stream at the server keeps what is published."""
        self.not_kept: int | None = None
        """Messages that were published and are not in that stream; None without one."""
        self.picture_size: tuple[int, int] | None = None
        """Width and height of the newest picture; None before the first."""
        self.mosaic = False
        """True if the newest picture is a mosaic."""
        self.streams: Callable[[], Mapping[str, str]] = dict
        """Returns the sizes of all streams of this camera; none without substreams."""
        self.ended = False
        """True once no more frames will be sent."""
        self._newest = NewestFrame()
        self._reports = ViewerReports()
        self.link = LinkFollower()
        """Lowers the bit rate to what the links to the viewers carry."""
        self.mailbox: Mailbox[Frame] = Mailbox(newest_wins=options.realtime)
        """Grabbed frames for the encode thread."""
        self._replaced = 0
        self.joins: CameraJoins | None = None
        """Lets viewers join in the middle of a group; None: they wait for a key frame."""
        self.channel = Channel(
            name=self.name,
            stream_id=os.urandom(STREAM_ID_BYTES),
            status=self._status,
            on_sent=self._sent,
            on_lost=lambda count: self.ledger.lose(STOPPED, count),
            on_join=self._joined,
            on_status=self._status_sent,
        )

    @property
    def codec(self) -> str:
        """Name of the codec of the packets."""
        return self.replayed_codec or self._codec

    @property
    def option_names(self) -> Collection[str]:
        """Names of the codec options that can be set: none for the packets of a recording."""
        return () if self.channel.replay else CODECS_BY_NAME[self._codec].options.model_fields

    @property
    def stream_id(self) -> bytes:
        """Random id of this run, or of this loop of a recording."""
        return self.channel.stream_id

    @property
    def viewers(self) -> int:
        """Number of viewers of this camera."""
        return self.channel.viewers

    @property
    def watched(self) -> bool:
        """True if frames must be encoded: a recorder or a stream at a server counts as a viewer."""
        return self.viewers > 0 or self.tape is not None or self.kept

    @property
    def state(self) -> str:
        """The state in one word; see docs/wire.md."""
        word = self.source.word
        return "ended" if self.ended and word != "failed" else word

    def balance(self) -> Balance:
        """Grabbed, published and lost frames so far."""
        return self.ledger.balance()

    # Frames: from the grab thread to the encode thread.

    def grabbed(self, image: Pixels | Frame) -> None:
        """Count one grabbed frame and keep it for `original` requests."""
        self.ledger.enter()
        self.source.frame_grabbed()
        height, width = (image.pixels if isinstance(image, Frame) else image).shape[:2]
        self.picture_size = width, height
        self.mosaic = isinstance(image, Frame) and bool(image.cfa)
        self._newest.keep(image)

    def put(self, frame: Frame) -> bool:
        """Queue a grabbed frame for the encode thread; return False once the mailbox is closed.

        In real time the frame replaces a queued one, which counts as lost; otherwise `put` blocks.
        """
        self.grabbed(frame)
        return self._queue(frame)

    def follow(self, main: Camera, source: SourceState) -> None:
        """Show frames of `main`, whose substream this is; call it before the first frame."""
        self.source = source
        self.streams = lambda: main.streams()
        self._newest = main._newest

    def put_followed(self, frame: Frame) -> bool:
        """Queue a frame that the camera of this substream has grabbed, as `put` does."""
        self.ledger.enter()
        return self._queue(frame)

    def _queue(self, frame: Frame) -> bool:
        taken = self.mailbox.put(frame)
        replaced, self._replaced = self.mailbox.replaced - self._replaced, self.mailbox.replaced
        self.ledger.lose(MAILBOX, replaced if taken else 1)
        return taken

    def discard(self) -> None:
        """Close the mailbox and count a frame left in it as lost."""
        self.ledger.lose(MAILBOX, self.mailbox.discard())

    def lose(self, cause: str, count: int = 1) -> None:
        """Count frames that were lost before they could be encoded."""
        self.ledger.enter(count)
        self.ledger.lose(cause, count)

    # Requests: from any thread.

    @property
    def settings(self) -> Mapping[str, Scalar]:
        """Codec options in effect from the next frame on, and the bit rate that follows a link."""
        if self.channel.replay:
            return {}
        options, rate = self.codec_settings.in_force, self.followed_bitrate()
        return options if rate is None else {**options, "bitrate_now": round(rate)}

    def followed_bitrate(self) -> float | None:
        """Return the bit rate to encode with; None where it does not follow the viewers' links."""
        limits = self._bitrate_limits()
        if limits is None:
            return None
        return self.link.target(*limits, self.viewers, time.monotonic())

    def _bitrate_limits(self) -> tuple[float, float] | None:
        """Return the lowest and the highest bit rate; None without a lower one."""
        options = self.codec_settings.in_force
        lowest, highest = options.get("min_bitrate"), options.get("bitrate")
        if not self.realtime or not isinstance(lowest, float) or not isinstance(highest, float):
            return None
        return (lowest, highest) if lowest else None

    def check_settings(self, options: Mapping[str, Scalar]) -> None:
        """Validate the values of codec options, at once, without trying or changing any.

        Raises
        ------
        SettingsError
        """
        self.codec_settings.check(options)

    def set(self, options: Mapping[str, Any]) -> None:
        """Change codec options from the next frame on; takes as long as the codec to start.

        Raises
        ------
        SettingsError
            If the codec cannot start with these options; no option changes in that case.
        """
        self.codec_settings.set(options)

    def try_settings(self, options: Mapping[str, Any]) -> CodecChange:
        """Start the codec with other options, beside the running one; may take seconds.

        Raises
        ------
        SettingsError
            If the codec cannot start with these options.
        """
        return self.codec_settings.prepare(options)

    @property
    def adjustments(self) -> Adjustments | None:
        """Setting changes for the open source; None if it is closed or not adjustable."""
        return self.source.adjustments

    @property
    def key_sequence(self) -> int | None:
        """Sequence number of the newest key frame; None before the first."""
        return self.keyframes.key_sequence

    def request_keyframe(
        self, stream_id: bytes = b"", seen_sequence: int | None = None, viewer: bytes = b""
    ) -> bool:
        """Request a key frame within the budgets of this camera and of the viewer.

        Parameters
        ----------
        stream_id : bytes, optional
            Stream that the viewer is decoding. A viewer of any other stream must resubscribe,
            which triggers a key frame anyway.
        seen_sequence : int, optional
            Newest frame that reached the viewer.
        viewer : bytes, optional
            Identity of the viewer, whose requests become rarer while its key frames do not arrive.

        Returns
        -------
        bool
            False if a newer key frame was published a moment ago, or packets of a recording are
            played, which nobody encodes.
        """
        if self.channel.replay or (stream_id and stream_id != self.stream_id):
            return False
        return self.keyframes.ask(time.monotonic(), seen_sequence, viewer)

    def join_midway(self, make_joins: MakeJoins) -> None:
        """Let viewers join in the middle of a group; call it before they can."""
        self.joins = self.channel.joins = make_joins(
            self.channel,
            lambda viewer: self.request_keyframe(viewer=viewer),
            lambda: self.keyframes.suits_joins(time.monotonic()),
        )

    def topic_of(self, token: bytes) -> bytes:
        """Return the individual topic of the viewer with this token; empty if there is none."""
        return self.channel.topic_of(token)

    def catch_up(self, token: bytes) -> bool:
        """Return True if the viewer with this token gets what it lacks without a key frame.

        Only one that has just joined does: to one that has lost a frame, perhaps because its link
        is slow, a key frame is less to carry.
        """
        return self.joins is not None and self.joins.is_coming(token)

    def credit(self, token: bytes, stream_id: bytes, until: int) -> None:
        """Let a viewer that keeps every frame have those before sequence `until`.

        Nothing happens in real time, for another stream, or for a viewer that is not subscribed.
        """
        gate = self.channel.gate
        if gate is not None and stream_id == self.stream_id:
            gate.credit(token, until)

    def newest_frame(self, timeout_s: float, stopped: Callable[[], bool]) -> Frame | None:
        """Return the newest grabbed frame; None on timeout or once `stopped` returns true."""
        return self._newest.wait(timeout_s, stopped)

    def report(
        self,
        viewer: bytes,
        delivered: int,
        lost: int,
        latency_p99_ms: float | None,
        latency_error_ms: float | None,
        network_lost: int = 0,
        late_ms: float | None = None,
        key: str = "",
    ) -> bool:
        """Store the report of one viewer; return False if too many viewers report."""
        report = ViewerReport(
            delivered, lost, latency_p99_ms, latency_error_ms, network_lost, late_ms
        )
        now_s = time.monotonic()
        if self._bitrate_limits() is not None:
            self.link.hear(viewer, key, report, now_s)
        return self._reports.put(viewer, report, now_s)

    def viewer_total(self) -> ViewerTotal:
        """Return the summary of what viewers report."""
        return self._reports.total(time.monotonic())

    def status(self) -> Status:
        """Return the current status message."""
        return self._status(self.viewers)

    def _status(self, viewers: int) -> Status:
        balance, now_s = self.balance(), time.monotonic()
        recent, reports = self.figures.recent(balance.passed), self._reports.total(now_s)
        clock, adjustments, sender = clock_quality(), self.adjustments, self.sender
        replay = self.channel.replay
        return Status(
            grabbed=balance.entered,
            published=balance.passed if replay is None else self.channel.sent,
            lost=balance.lost,
            viewers=viewers,
            state=self.state,
            source=self.source.description,
            codec=self.codec,
            fps=recent.fps,
            settings=self.settings,
            camera={} if adjustments is None else adjustments.values,
            control=0 if sender is None else sender.control_port,
            clock_synchronised=clock.synchronised,
            clock_error_ms=clock.error_ms,
            reporting=reports.viewers,
            viewers_lost=reports.lost,
            viewers_latency_p99_ms=reports.latency_p99_ms,
            keys={} if sender is None else sender.key_state,
            fidelity=recent.fidelity,
            frame_interval_s=self.source.frame_interval_s,
            settings_refused=self.codec_settings.refusal,
            recorded=0 if self.tape is None else self.tape.recorded,
            events=sender is not None and sender.records_events,
            replay=replay,
            streams=self.streams(),
        )

    def _expects_frame(self) -> bool:
        return self.watched and self.state in ("live", "frozen") and not self.ended

    def _sent(self) -> None:
        self.ledger.passed()

    def _status_sent(self, packet: bytes) -> None:
        if self.tape is not None:
            self.tape.note(packet)

    def _joined(self, topic: bytes = b"") -> None:
        if self.joins is None:
            # Only an individual topic names one viewer; plain ones are those of many.
            self.request_keyframe(viewer=topic if topic.startswith(b"/") else b"")
