"""RelayedCamera: one camera of another sender, as this relay passes it on."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

from rankcast.runtime import (
    NETWORK_GAP,
    REFUSED_CAMERA,
    SKIPPED_AS_OLD,
    SLOW_SERVER,
    STOPPED,
    Balance,
    Ledger,
)
from rankcast.wire import MAIN, Kind, Replay, Status, split_stream
from rankcast_receiver.state import CameraState
from rankcast_receiver.stream import CameraPacket, CameraStream
from rankcast_relay.relay_path import RelayPath
from rankcast_relay.server_chain import ServerChain
from rankcast_relay.status_here import down, status_here
from rankcast_sender.camera import KeyframeBudget, SenderFacts, ViewerReport, ViewerReports
from rankcast_sender.joins import CameraJoins
from rankcast_sender.sockets import Channel, NewStream, NumberedPacket, Outgoing, StreamPause

log = logging.getLogger(__name__)

MAX_HELD: Final = 64
"""Most packets that wait for the first status of their camera."""
WAITER: Final = "relay"
"""Name under which a stream is told that a key frame is wanted."""


MakeJoins: TypeAlias = Callable[[Channel, Callable[[bytes], object]], CameraJoins]
"""Takes a camera's channel, and what asks for a key frame for a viewer; see `CameraJoins`."""


class Outlet(Protocol):
    """What sends to viewers."""

    def send(self, channel: Channel, packet: Outgoing) -> bool:
        """Queue one packet; False if it will not be sent."""


class RelayedCamera:
    """Passes the packets of one camera on, and answers for it.

    Parameters
    ----------
    name : str
        Its name at this relay.
    stream : CameraStream
        The camera as it arrives.
    sender_number : int
        Of its sender, from 0.
    at_server : bool
        Whether that is a NATS server.
    relay_id : str
    outlet : Outlet
    make_joins : callable, optional
        Lets viewers join in the middle of a group; None where one viewer alone cannot be reached:
        those that join then need a key frame, and nothing is sent while nobody watches.
    publish : callable
        Adds the camera to the outlet, once its first status has come.
    """

    def __init__(
        self,
        name: str,
        stream: CameraStream,
        sender_number: int,
        at_server: bool,
        relay_id: str,
        outlet: Outlet,
        make_joins: MakeJoins | None,
        publish: Callable[[RelayedCamera], None],
    ) -> None:
        self.name = name
        self.stream = stream
        self.sender_number = sender_number
        self.at_server = at_server
        self.is_own = False
        """True if the camera has come through this relay already."""
        self.sender: SenderFacts | None = None
        self.ledger = Ledger()
        """Every packet that arrived in order enters it."""
        self.path = RelayPath()
        self.refusal = ""
        """Why the camera is not relayed; empty while it is, or nothing is known yet."""
        self.known = False
        """True once a status has come, and viewers can watch the camera."""
        self.uplink: CameraState | None = None
        """The camera as this relay sees it."""
        self.keyframes = KeyframeBudget()
        """Merges what cannot be served here."""
        self.keyframes_passed_on = 0
        self.packet_bytes = 0
        self._publish = publish
        self._relay_id = relay_id
        self._outlet = outlet
        self._held: deque[CameraPacket] = deque()
        self._last_status = Status(state="opening")
        self._stream_id = b""
        self._replay: Replay | None = None
        self._ended = False
        self._next_sequence = 0
        self._reports = ViewerReports()
        self.idle = self.is_substream
        """True from the end of its frames at the uplink to the next one."""
        self.is_withdrawn = False
        """True while its sender has this substream no longer."""
        self.told_streams: frozenset[str] = frozenset()
        """Substreams of the camera that viewers can have here."""
        self.channel = Channel(
            name=self.name,
            stream_id=stream.stream_id,
            status=self._status,
            on_sent=self._sent,
            on_lost=lambda count: self.ledger.lose(STOPPED, count),
            on_unsent=self._not_taken,
            on_join=self._joined,
            clocks_ns=lambda: stream.clock.now_there_ns(),
        )
        self.joins: CameraJoins | None = None
        self._chain: ServerChain | None = None
        if make_joins is not None:
            self.joins = make_joins(self.channel, lambda viewer: self._ask_keyframe(viewer=viewer))
            self.channel.joins = self.joins
        else:
            self._chain = ServerChain(self.channel, lambda topic: self._ask_keyframe(viewer=topic))
        stream.reported = self._report

    # From the thread that forwards.

    def take(self, item: CameraPacket) -> None:
        """Pass a picture on, or note a status or an end."""
        if not item.is_picture:
            self._note(item.packet.header.kind)
        else:
            self.ledger.enter()
            if self.refusal:
                self.ledger.lose(REFUSED_CAMERA)
                return
            self._held.append(item)
        if not self.known:
            if len(self._held) > MAX_HELD:
                self._held.popleft()
                self.ledger.lose(SKIPPED_AS_OLD)
            return
        while self._held:
            self._forward(self._held.popleft())

    def begin_with(self, packets: Sequence[CameraPacket]) -> None:
        """Begin a chain with what another relay sent to this one alone."""
        if self.joins is not None:
            self.joins.begin_with((item.packet.header, bytes(item.data)) for item in packets)

    def rest(self) -> None:
        """Note that the uplink brings no frames from now on, because nobody watches them."""
        self.idle = True
        self.stream.note_waits(WAITER, waits=False)
        self.keyframes.nobody_watches()
        if self.known and not self._ended:
            stream = NewStream(self._stream_id, self._next_sequence, self._replay, broken=True)
            self._outlet.send(self.channel, stream)

    def withdraw(self) -> None:
        """Note that the sender has this stream no longer; until its next status it is silent."""
        self.is_withdrawn = self.channel.silent = True

    def tick(self) -> None:
        """Ask the camera for a key frame if one is due; call it several times a second."""
        if not self.stream.resting and self.keyframes.due(time.monotonic()):
            self.stream.note_waits(WAITER, waits=True)

    def leave(self, why: str) -> None:
        """Pass nothing on any more."""
        self.refusal = why
        self.ledger.lose(REFUSED_CAMERA, len(self._held))
        self._held.clear()
        log.error("%s is not relayed: %s", self.name, why)
        if self.known and not self._ended:
            self._ended = True
            self._outlet.send(self.channel, StreamPause())

    def _forward(self, item: CameraPacket) -> None:
        header, data = item.packet.header, bytes(item.data)
        self._follow(header.stream_id, header.sequence)
        is_key = header.kind is Kind.KEY
        if is_key:
            self.stream.note_waits(WAITER, waits=False)
        self.keyframes.published(
            header.sequence, len(data), time.monotonic(), key=is_key, requested=False
        )
        if self.joins is not None:
            self.joins.expect(header)
        elif self._chain is not None and (why := self._chain.unwanted(header)):
            self.ledger.lose(why)
            self._next_sequence = header.sequence + 1
            self._outlet.send(self.channel, NumberedPacket(b"", header.sequence))
            return
        if self.idle and header.sequence > self._next_sequence:
            # Published before the uplink brought frames: nobody here misses them.
            self._outlet.send(self.channel, NumberedPacket(b"", header.sequence - 1))
        self.idle = False  # before the packet: what viewers miss behind it is a loss
        if not self._outlet.send(self.channel, NumberedPacket(data, header.sequence)):
            self.ledger.lose(STOPPED)
            return
        self._next_sequence = header.sequence + 1
        self.packet_bytes += len(data)

    def _note(self, kind: Kind) -> None:
        status = self.stream.status
        if status is None:
            return
        self._last_status = status
        self.is_withdrawn = self.channel.silent = False
        path = RelayPath.of(status.relay)
        why = path.refusal(self._relay_id)
        self.is_own = self._relay_id in path.ids
        if why and why != self.refusal:
            self.leave(why)
        if why:
            return
        self.path, self.refusal = path.through(self._relay_id), ""
        if not self.known:
            self._publish(self)
            self.known = True
        if self._held:
            return  # pictures of the same stream come first
        is_over = kind is Kind.END
        self._follow(self.stream.stream_id, status.published, is_over=is_over)
        if status.published > self._next_sequence:
            # Nothing up to there will arrive: viewers count it as lost.
            self._next_sequence = status.published
            self._outlet.send(self.channel, NumberedPacket(b"", status.published - 1))
        if is_over and not self._ended:
            self._ended = True
            self._outlet.send(self.channel, StreamPause())

    def _follow(self, stream_id: bytes, sequence: int, *, is_over: bool = False) -> None:
        """Begin another stream where the camera has begun one."""
        status = self.stream.status
        replay = self._replay if status is None else status.replay
        is_same = (stream_id, replay) == (self._stream_id, self._replay)
        if is_same and (is_over or not self._ended):
            return
        if stream_id != self._stream_id:
            self._next_sequence = sequence
            if self._chain is not None:
                self._chain.restart()
        self._stream_id, self._replay, self._ended = stream_id, replay, False
        self._outlet.send(self.channel, NewStream(stream_id, self._next_sequence, replay))

    # From any thread.

    @property
    def catch_ups(self) -> int:
        """Catch-ups sent to viewers that joined."""
        return 0 if self.joins is None else self.joins.catch_ups

    @property
    def references(self) -> int:
        """References made for them."""
        return 0 if self.joins is None else self.joins.references

    @property
    def kept_bytes(self) -> int:
        """Size of the packets kept for viewers that join."""
        return 0 if self.joins is None else self.joins.group.kept_bytes

    @property
    def is_substream(self) -> bool:
        """Whether this is a substream of a camera."""
        # A camera of a NATS server that is refused keeps its name there, SITE.CAMERA.
        return not self.at_server and split_stream(self.name)[1] != MAIN

    @property
    def offered(self) -> Mapping[str, str]:
        """The streams of the camera by name, as its sender states them."""
        return self._last_status.streams

    @property
    def station(self) -> str:
        """Which of the stations behind this relay has the camera; empty for the first one."""
        own = str(self.sender_number) if self.sender_number else ""
        if self.at_server:  # each has a clock of its own
            own = f"{own}.{self.stream.camera}" if own else self.stream.camera
        beyond = self._last_status.station
        return f"{own}.{beyond}" if beyond else own

    @property
    def stream_id(self) -> bytes:
        """Random id of this run of the camera."""
        return self.channel.stream_id

    @property
    def state(self) -> str:
        """The state of the camera in one word, as its sender states it."""
        return self._last_status.state

    @property
    def uplink_down(self) -> CameraState | None:
        """How this relay sees the camera while nothing of it arrives; else None."""
        return down(self.uplink)

    @property
    def shown_state(self) -> str:
        """The state of the camera or, while its sender does not answer, of the uplink."""
        down = self.uplink_down
        return self.state if down is None else down.state.words

    @property
    def key_sequence(self) -> int | None:
        """Sequence number of the newest key frame; None before the first."""
        return self.keyframes.key_sequence

    @property
    def viewers(self) -> int:
        """Number of viewers of this camera at this relay."""
        return self.channel.viewers

    def balance(self) -> Balance:
        """Frames published since this relay joined, passed on, and lost by cause."""
        # Every packet counts that arrived in order, also where its reference was lost.
        uplink, own = self.stream.packet_ledger.balance(), self.ledger.balance()
        lost = dict(uplink.lost)
        for cause, count in own.lost.items():
            lost[cause] = lost.get(cause, 0) + count
        return Balance(uplink.entered, own.passed, lost)

    def status(self) -> Status:
        """Return the status that viewers get."""
        return self._status(self.viewers)

    def request_keyframe(
        self, stream_id: bytes = b"", seen_sequence: int | None = None, viewer: bytes = b""
    ) -> bool:
        """Ask the camera for a key frame, within the budgets of this relay and of the viewer."""
        if self.channel.replay or (stream_id and stream_id != self.stream_id):
            return False
        return self._ask_keyframe(seen_sequence, viewer)

    def topic_of(self, token: bytes) -> bytes:
        """Return the individual topic of the viewer with this token; empty if there is none."""
        return self.channel.topic_of(token)

    def catch_up(self, token: bytes) -> bool:
        """Send the viewer with this token what it lacks; False if it has to have a key frame."""
        return self.joins is not None and self.joins.catch_up(token)

    def credit(self, token: bytes, stream_id: bytes, until: int) -> None:
        """Let a viewer that keeps every frame have those before sequence `until`."""
        gate = self.channel.gate
        if gate is not None and stream_id == self.stream_id:
            gate.credit(token, until)

    def report(
        self,
        viewer: bytes,
        delivered: int,
        lost: int,
        latency_p99_ms: float | None,
        latency_error_ms: float | None,
        network_lost: int = 0,
        late_ms: float | None = None,
        key: str = "",  # noqa: ARG002 - the sender has the key of this relay alone
    ) -> bool:
        """Store the report of one viewer; return False if too many viewers report."""
        report = ViewerReport(
            delivered, lost, latency_p99_ms, latency_error_ms, network_lost, late_ms
        )
        return self._reports.put(viewer, report, time.monotonic())

    def _ask_keyframe(self, seen_sequence: int | None = None, viewer: bytes = b"") -> bool:
        return self.keyframes.ask(time.monotonic(), seen_sequence, viewer)

    def _report(self) -> Mapping[str, Any]:
        """Return what this relay reports to the sender: its losses and those of its viewers."""
        own, viewers = self.balance(), self._reports.total(time.monotonic())
        values: dict[str, Any] = {
            "delivered": own.passed,
            "lost": sum(own.lost.values()) + viewers.lost,
            # Of the uplink alone: what viewers lose behind the relay is no matter of its rate.
            "network_lost": own.lost.get(NETWORK_GAP, 0),
        }
        if viewers.latency_p99_ms is not None:
            values["latency_p99_ms"] = viewers.latency_p99_ms
        return values

    # From the thread of the socket.

    def _sent(self) -> None:
        self.ledger.passed()

    def _joined(self, topic: bytes) -> None:
        """Ask for a key frame, unless `joins` serves the viewer or every packet is one."""
        if self._chain is not None:
            self._chain.joined(topic)

    def _not_taken(self) -> None:
        self.ledger.lose(SLOW_SERVER)
        if self._chain is not None:
            self._chain.not_taken()

    def _status(self, viewers: int) -> Status:
        reports = self._reports.total(time.monotonic())
        return status_here(self, self._last_status, reports, viewers)
