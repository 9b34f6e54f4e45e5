"""SenderStreams: the cameras of one sender, and the routing of its packets to them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.errors import LimitError, WireError
from rankcast.nats import split_stream_name
from rankcast.net import LinkState
from rankcast.runtime import NETWORK_GAP, SKIPPED_AS_OLD, WAITING_FOR_KEYFRAME, LogLimiter
from rankcast.wire import MAIN, Header, Kind, split_stream, stream_name
from rankcast_receiver.choice import StreamChoice
from rankcast_receiver.clock import SenderClock, StationClocks
from rankcast_receiver.state import ANSWER_S, CameraState, Evidence, LinkFacts, judge
from rankcast_receiver.stream.camera_facts import LOG_BURST
from rankcast_receiver.stream.camera_stream import CameraStream
from rankcast_receiver.stream.received_packet import ReceivedPacket
from rankcast_receiver.stream.replayed_streams import ReplayedStreams
from rankcast_receiver.stream.stream_options import StreamOptions

log = logging.getLogger(__name__)

MAX_CAMERAS: Final = 64
"""Most cameras of one sender: names come from the peer, and each one costs a decoder."""
MAX_CAMERAS_OF_STATIONS: Final = 256
"""Most cameras of many stations that one address brings."""


_OF_THE_LINK: Final = (NETWORK_GAP, SKIPPED_AS_OLD, WAITING_FOR_KEYFRAME)
"""Losses that a smaller stream may help against."""


class SenderStreams:
    """All cameras of one sender.

    Parameters
    ----------
    endpoint : str
        Address of the sender.
    cameras : sequence of str
        Names of the wanted cameras at the sender; empty for all of them.
    options : StreamOptions
    stream : str
        Which stream of each camera is wanted: ``main``, ``auto`` or the name of a substream.
    suffix : str
        Appended to camera names, because several senders may use the same ones.
    stations : bool
        Each camera may be of another station, with a clock of its own.
    now_s : callable
        Monotonic clock.
    """

    def __init__(
        self,
        endpoint: str,
        cameras: Sequence[str] = (),
        options: StreamOptions = StreamOptions(),  # noqa: B008 - frozen
        *,
        stream: str = MAIN,
        suffix: str = "",
        stations: bool = False,
        now_s: Callable[[], float] = boot_s,
    ) -> None:
        self.endpoint = endpoint
        self.cameras = tuple(cameras)
        self.clocks = StationClocks(endpoint, per_camera=stations)
        """Clocks of the stations of these cameras."""
        self._of_server = stations
        self._max_cameras = MAX_CAMERAS_OF_STATIONS if stations else MAX_CAMERAS
        self.foreign_packets = 0
        """Number of packets with a Rankcast topic that belong to no camera."""
        self.on_recorded: Callable[[str, Header], None] = lambda _name, _header: None
        """Called by `recorded`, with the name of the camera at the sender."""
        self._options = options
        self._suffix = suffix
        self._now_s = now_s
        self._streams: dict[str, CameraStream] = {}
        self._replayed = ReplayedStreams()
        self._accepted: Counter[str] = Counter()
        self._log_limiter = LogLimiter(burst=LOG_BURST)
        self._wanted = stream
        self._copies: set[str] = set()
        """Cameras of a server that are other ones again; the inlet bounds their number."""
        self._choices: dict[str, StreamChoice] = {}
        """By camera; none while only main streams are wanted."""
        self.followed: Mapping[str, bool] = {}
        """Substreams that are received beside the main streams, each as a camera of its own, and
        whether with their frames; see `follow`."""
        if stream != MAIN:
            self.note_cameras(cameras)

    @property
    def streams(self) -> dict[str, CameraStream]:
        """The known cameras by their names at the sender; a copy, for any thread."""
        return dict(self._streams)

    @property
    def needs_names(self) -> bool:
        """True if the sender has to be asked for its cameras before anything is subscribed to."""
        return self._wanted != MAIN and not self.cameras and not self._of_server

    @property
    def main_only(self) -> bool:
        """True if only main streams are wanted."""
        return self._wanted == MAIN

    @property
    def choices(self) -> dict[str, StreamChoice]:
        """Which stream of each camera is received; a copy, for any thread."""
        return dict(self._choices)

    def note_cameras(self, cameras: Sequence[str]) -> None:
        """Receive the wanted stream of these cameras; from any thread."""
        for name in () if self.main_only else cameras[: self._max_cameras]:
            if name not in self._choices and len(self._choices) < self._max_cameras:
                choice = StreamChoice(self._wanted, name + self._suffix, self._now_s())
                # Replaced, not changed: another thread may look at each of them.
                self._choices = {**self._choices, name: choice}

    def follow(self, substreams: Mapping[str, bool]) -> None:
        """Receive substreams, ``NAME.SUB``, as cameras; from the thread that routes packets.

        Parameters
        ----------
        substreams : mapping of str to bool
            All of them; True: with their frames, False: their status alone.
        """
        self.followed = dict(substreams)
        for name, stream in self._streams.items():
            if self._is_substream(name):
                if not substreams.get(name):
                    if not stream.resting:
                        stream.rest()
                elif stream.resting:
                    stream.resume()

    def wants(self, stream: str) -> bool:
        """Return True if packets of a stream, ``NAME`` or ``NAME.SUB``, are expected."""
        if self._of_server:
            return True  # the inlet of a NATS server hands over wanted cameras only
        camera, which = split_stream(stream)
        if stream in self.followed:
            return True
        if self._wanted == MAIN:
            return which == MAIN and (not self.cameras or camera in self.cameras)
        return camera in self._choices

    def name_of(self, camera: str) -> str:
        """Return the name of the stream of `camera` that is shown, for requests to the sender."""
        choice = self._choices.get(camera)
        return camera if choice is None else stream_name(camera, choice.shown)

    @property
    def ended(self) -> bool:
        """True if every wanted camera is known and has ended."""
        streams = self.streams
        known = set(self.cameras) <= set(streams)
        return bool(streams) and known and all(stream.ended for stream in streams.values())

    @property
    def holding(self) -> bool:
        """True while a late frame is held in case a fresh one follows."""
        return any(stream.holding for stream in self.streams.values())

    @property
    def frame_s(self) -> float | None:
        """Monotonic time at which the newest frame of any camera was handed out; else None."""
        times = [s.frame_s for s in self.streams.values() if s.frame_s is not None]
        return max(times, default=None)

    def place(self, received: ReceivedPacket) -> ReceivedPacket:
        """Return a packet of a recording under the stream that its sender names; any other as is.

        Called in the receive thread, in order of arrival.
        """
        return self._replayed.place(received)

    def recorded(self, camera: str, header: Header) -> bool:
        """Note that a packet is in a recording; False if this sender has no such camera here.

        From any thread, with the name of the camera at this receiver.
        """
        for name, stream in self.streams.items():
            if stream.camera == camera:
                self.on_recorded(name, header)
                return True
        return False

    def route(self, received: ReceivedPacket) -> CameraStream | None:
        """Return the camera of a packet; None for a foreign packet, which is counted.

        Notes
        -----
        The packet's checksum does not cover the topic, and a flipped bit there must not create a
        second camera that never ends. A stream id belongs to one camera only.
        """
        packet = received.packet
        stream_id = None if packet is None else packet.header.stream_id
        camera, which = self._split(received.camera)
        try:
            if not self.wants(received.camera):
                raise WireError(f"got stream {received.camera}, which was not asked for")
            choice = self._choices.get(camera)
            if choice is not None and not self._choose(choice, which, received):
                return None
            if received.status is None and self.followed.get(camera) is False:
                return None  # it was under way when its frames ceased to be wanted
            stream = self._find(camera, stream_id, chosen=choice is not None)
        except WireError:
            self.foreign_packets += 1
            return None
        if choice is not None and stream.stream != choice.shown:
            stream.change(choice.shown)
        if packet is not None:
            self._accepted[camera] += 1
        stream.clock = self.clock_of(received.camera)
        return stream

    def clock_of(self, name: str) -> SenderClock:
        """Return the clock that the time stamps of a stream are from."""
        return self.clocks.of(self._split(name)[0] if self._of_server else name)

    def _split(self, name: str) -> tuple[str, str]:
        """Return camera and stream; names of cameras of many stations are ``SITE.CAMERA``."""
        if name in self.followed:
            return name, MAIN
        return split_stream_name(name) if self._of_server else split_stream(name)

    def _is_substream(self, name: str) -> bool:
        """Return whether a camera is a substream that is, or was, followed."""
        return not self._of_server and split_stream(name)[1] != MAIN

    def _name_here(self, name: str) -> str:
        """Return the name of a camera at this receiver."""
        if not self._is_substream(name):
            return name + self._suffix
        camera, which = split_stream(name)
        return stream_name(camera + self._suffix, which)

    def tick(self) -> None:
        """Let the choices look at what became of the frames; call it several times a second."""
        now_s = self._now_s()
        for name, choice in self._choices.items():
            stream = self._streams.get(name)
            if choice.auto and stream is not None:
                balance = stream.ledger.balance()
                lost = sum(balance.lost.get(cause, 0) for cause in _OF_THE_LINK)
                frame_s, captured_s = stream.frame_s, stream.captured_s
                age_s = _age_s(frame_s, captured_s)
                choice.tick(balance.entered, lost, frame_s, age_s, now_s)

    def _choose(self, choice: StreamChoice, which: str, received: ReceivedPacket) -> bool:
        """Return True if a packet is of the stream that is shown, from now on or already."""
        packet, now_s = received.packet, self._now_s()
        if packet is None:
            return choice.takes(which, None, None, now_s)
        # A catch-up begins with a key frame, or with what a relay has made to stand for one. On the
        # way up it would be late: it takes the time of many pictures to arrive and to decode.
        begins = bool(received.catch_up) and not choice.raising
        kind = Kind.KEY if begins else packet.header.kind
        age_s = self._arrival_age_s(received)
        if received.status is not None:
            choice.hear(which, received.status, kind, age_s, now_s)
        return choice.takes(which, kind, age_s, now_s)

    def retire(self, link: LinkFacts) -> None:
        """Count cameras as ended that their sender no longer has: it was restarted without them.

        A camera that was asked for by name is waited for.
        """
        if link.state is not LinkState.UP or link.cameras is None or link.read_s is None:
            return
        for name, stream in self._streams.items():
            if stream.ended or name in self.cameras or name in (*link.cameras, *self.followed):
                continue
            silent_s = _age_s(link.read_s, stream.heard_s)
            if (silent_s is None or silent_s > ANSWER_S) and len(self._streams) > 1:
                log.info("%s: the sender no longer has this camera", stream.camera)
                stream.withdraw()

    def states(self, link: LinkFacts) -> list[CameraState]:
        """Return the state of every wanted camera, and of every other known one."""
        # Until its frames come, nothing can be said of a substream that is followed.
        shown = (name for name, stream in self._streams.items() if not stream.apart)
        known = (*self.cameras, *self._choices, *link.waits, *shown)
        names = dict.fromkeys(known) or {"": None}
        return [self._state(name, link) for name in names]

    def _find(self, camera: str, stream_id: bytes | None, *, chosen: bool = False) -> CameraStream:
        for name, other in self._streams.items():
            if name == camera or other.stream_id != stream_id:
                continue
            if self._accepted[name] > 1:
                if self._of_server and camera not in self._copies:
                    self._copies.add(camera)
                    log.warning(
                        "%s is the same stream as %s and is left out: publish a camera at a "
                        "server once, and no relay where its cameras come from", camera, name,
                    )  # fmt: skip
                raise WireError(f"the stream of camera {name} arrived as camera {camera}")
            other.ended = True  # its only packet was the one with the damaged topic
        stream = self._streams.get(camera)
        if stream is None:
            known = chosen or camera in self.cameras
            if stream_id is None and self._streams and not known:
                raise WireError(f"a damaged packet arrived as unknown camera {camera}")
            cameras = sum(not self._is_substream(name) for name in self._streams)
            if cameras >= self._max_cameras and camera not in self.followed:
                raise LimitError(f"got camera {camera}, the limit is {self._max_cameras} cameras")
            stream = self._streams[camera] = CameraStream(
                self._name_here(camera),
                self._options,
                self.clocks.of(camera),
                self._log_limiter,
                now_s=self._now_s,
            )
            if self.followed.get(camera) is False:
                stream.rest()
            if chosen:
                stream.stream = self._choices[camera].shown
        return stream

    def _arrival_age_s(self, received: ReceivedPacket) -> float | None:
        t_mono_ns, t_utc_ns = received.sender_times()
        if t_utc_ns is None:
            return None
        now_ns = round(received.t_received_s * 1e9)
        age_ns = self.clock_of(received.camera).age_ns(t_mono_ns, t_utc_ns, now_ns)
        return None if age_ns is None else age_ns / 1e9

    def _missing_names(self, link: LinkFacts) -> str:
        if not self.needs_names or self._choices or link.age_s < ANSWER_S:
            return ""
        return (
            "the control channel does not say which cameras there are, whose streams are wanted: "
            "name them with --camera"
        )

    def _state(self, name: str, link: LinkFacts) -> CameraState:
        stream = self._streams.get(name)
        status, choice = None if stream is None else stream.status, self._choices.get(name)
        evidence = Evidence(
            link=link.state,
            link_age_s=link.age_s,
            ever_up=link.ever_up,
            link_detail=link.detail,
            frame_age_s=_age_s(link.read_s, stream.frame_s if stream else None),
            picture_age_s=_age_s(link.read_s, stream.captured_s if stream else None),
            status_age_s=_age_s(link.read_s, stream.heard_s if stream else None),
            camera_state=status.state if status else "",
            frame_interval_s=status.frame_interval_s if status else 0.0,
            triggered=status is not None and status.camera.get("trigger") == "on",
            uplink=status.uplink if status else "",
            ended=bool(stream and stream.ended),
            waiting_for_keyframe=bool(stream and stream.waiting_for_keyframe),
            joining=bool(stream and stream.joining),
            overloaded=bool(stream and stream.overloaded),
            refusal=stream.refusal if stream else "",
            cameras=None if self._is_substream(name) else link.cameras,
            wanted=name,
            keyed=link.keyed,
            at_server=link.at_server,
            absent=name in link.absent,
            shortage=link.shortage,
            behind=link.behind.get(name, ""),
            waits=link.waits.get(name, ""),
            missing_stream=choice.missing if choice else self._missing_names(link),
        )
        state, detail = judge(evidence)
        return CameraState(
            self._name_here(name) if name else "",
            self.endpoint,
            state,
            detail,
            evidence.shown_stale_after_s,
        )


def _age_s(now_s: float | None, then_s: float | None) -> float | None:
    return None if now_s is None or then_s is None else now_s - then_s
