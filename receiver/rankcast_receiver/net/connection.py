"""Connection: the sockets between a receiver and one sender, and the packets they receive."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import zmq

from rankcast.boot_clock import boot_ns, boot_s
from rankcast.errors import SettingsError, WireError
from rankcast.net import (
    CurveClient,
    Link,
    LinkOptions,
    LinkState,
    LookUp,
    SocketOptions,
    control_endpoint,
    is_ipv6,
    join_endpoint,
    look_up,
    open_socket,
    split_endpoint,
)
from rankcast.runtime import LogLimiter
from rankcast.wire import Limits, stream_name
from rankcast_receiver.net.control_link import ControlLink
from rankcast_receiver.net.control_port import ControlPort
from rankcast_receiver.net.path_meter import PathMeter
from rankcast_receiver.net.wanted_topics import WantedTopics
from rankcast_receiver.state import ANSWER_S, LinkFacts
from rankcast_receiver.stream import ReceivedPacket, SenderStreams, read_message

log = logging.getLogger(__name__)

READ_MESSAGES: Final = 256
"""Most messages per `receive`, so that a flood from one sender does not delay the others."""
READ_BYTES: Final = 16 * 1024 * 1024
"""Most bytes per `receive`, but for its last message: what arrives meanwhile is looked at between
two of them."""
SUSPENDED_S: Final = 0.5
"""A longer pause between two reads means that this process was suspended: messages that arrived
meanwhile may still be in transit from the kernel through libzmq."""
SILENCE_S: Final = 3.0
"""Status is sent once a second: after three seconds without any the connection is replaced."""
KEEP_SILENCE_S: Final = 90.0
"""If every frame is kept, frames sent during a reconnection would be lost."""
OLD_PAUSE_S: Final = 5.0
OLD_PAUSE_MAX_S: Final = 60.0
"""Pauses between reconnections because of old pictures double up to this while they do not help."""
SHORTAGE_LOG_S: Final = 60.0
MAX_MESSAGES_S: Final = 20_000
MAX_NAMES: Final = 128
"""Most camera names in one session, twice as many as a sender has cameras: names come from the
peer, and each one is remembered until the next session."""


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How a receiver connects to its senders."""

    socket: SocketOptions
    """Socket options, without keys and address family."""
    live: bool = True
    """False: every frame counts, and a silent connection is kept for longer."""
    limits: Limits = field(default_factory=Limits)
    """Sizes above which a packet is refused."""
    curves: Sequence[CurveClient] = ()
    """Client keys, one for each possible sender key; each new socket tries the next. Empty: no
    encryption."""
    control: bool = True
    """Also connect to the sender's control channel."""
    max_messages_s: int = MAX_MESSAGES_S
    """A sender that sends more messages a second is disconnected for a while."""
    reply_limits: Limits = field(default_factory=lambda: Limits(max_packet_bytes=0))
    """Of packets in replies to requests of the user."""
    look_up: LookUp = field(default=look_up)
    """Returns the numeric addresses of a name."""
    wake: Callable[[], object] = lambda: None
    """Called in another thread when `tick` has something to do."""


class Connection:
    """Subscribes to cameras of one sender, and keeps the connection alive.

    Parameters
    ----------
    context : zmq.Context
    streams : SenderStreams
        Address and cameras of the sender. Key frames they need are requested over the control
        channel.
    options : ConnectionOptions

    Raises
    ------
    SettingsError
        If libzmq refuses the address.
    TransportError
        If the system has no room for another socket.

    Notes
    -----
    Use it only in the thread that created it.
    """

    def __init__(
        self, context: zmq.Context[Any], streams: SenderStreams, options: ConnectionOptions
    ) -> None:
        self.endpoint = streams.endpoint
        self.foreign_messages = 0
        """Number of messages that are not Rankcast messages, of no wanted camera, or of one more
        than `MAX_NAMES` allows."""
        self.token = os.urandom(16)
        """Token in the subscriptions of this receiver."""
        self._context = context
        self._streams = streams
        self._options = options
        now_s = boot_s()
        self._read_s: float | None = None
        self._began_s = now_s
        self._sessions = 0
        self._topics = WantedTopics(streams, self.token, keeps=not options.live and options.control)
        self._subscribed: list[bytes] = []
        self._followed = False
        """Whether substreams were followed when it was looked last."""
        self._names: set[str] = set()
        """Cameras heard of in this session."""
        self._showed_s = float("-inf")
        self._control: ControlLink | None = None
        self._port = split_endpoint(self.endpoint)[1]
        """Port of the frames to which the control channel belongs."""
        self._control_port = ControlPort(self._usual_control_port())
        self._path = PathMeter(now_s)
        self._shortage_log = LogLimiter(SHORTAGE_LOG_S)
        self._old_pause_s, self._old_s = OLD_PAUSE_S, float("-inf")
        silence_s = SILENCE_S if options.live else KEEP_SILENCE_S
        self._link = Link(
            self.endpoint,
            self._make,
            LinkOptions(
                silence_s,
                silence_s,
                options.max_messages_s,
                options.socket.max_message_bytes,
                len(options.curves),
                options.look_up,
                options.wake,
            ),
            now_s=boot_s,
        )
        self._announced: zmq.Socket[Any] | None = None
        """The socket that subscribes to the individual topics."""
        try:
            self._announce()
            self._follow_control()
        except BaseException:
            self.close()
            raise

    @property
    def reconnects(self) -> int:
        """Number of connections replaced after silence or a refusal."""
        return self._link.replaced

    @property
    def sockets(self) -> list[zmq.Socket[Any]]:
        """All sockets, for a poller; they change when `tick` returns True."""
        return self._link.sockets + (self._control.sockets if self._control else [])

    @property
    def control(self) -> ControlLink | None:
        """The control channel; None while there is none."""
        return self._control

    @property
    def waits(self) -> bool:
        """True while much waits unread in libzmq: call `tick` a hundred times a second."""
        return self._link.waits

    @property
    def sessions(self) -> int:
        """Number of times that the connection was established."""
        return self._link.sessions

    @property
    def facts(self) -> LinkFacts:
        """State of the connection, for the thread that judges the cameras."""
        return LinkFacts(
            self._link.state,
            self._link.age_s,
            self._link.sessions > 0,
            self._link.detail,
            self._control.cameras if self._control else None,
            self._read_s,
            self._path.shortage,
            bool(self._options.curves),
            relay_id=self._control.relay_id if self._control else "",
        )

    def receive(self, most: int = READ_MESSAGES) -> Iterator[ReceivedPacket]:
        """Yield at most `most` packets that have arrived, without waiting for more."""
        began_s = boot_s()
        suspended = began_s - self._began_s > SUSPENDED_S
        self._began_s = began_s
        read_bytes = 0
        socket, followed = self._link.socket, self._streams.followed
        for _ in range(most if socket is not None else 0):
            assert socket is not None
            try:
                message = socket.recv(zmq.NOBLOCK, copy=False).buffer
            except zmq.Again:
                break
            now_s, size = boot_s(), len(message)
            self._link.heard(size, now_s)
            read_bytes += size
            try:
                received = read_message(message, self._options.limits, now_s, self.token)
                if not self._streams.wants(received.camera):
                    raise WireError(f"got camera {received.camera}, which was not asked for")
                if received.camera not in self._names and received.camera not in followed:
                    if len(self._names) >= MAX_NAMES:
                        raise WireError(f"got camera {received.camera} after {MAX_NAMES} others")
                    self._names.add(received.camera)
            except WireError as exc:
                self.foreign_messages += 1
                log.debug("ignored a message: %s", exc)
                continue
            received = self._streams.place(received)
            self._note(received, size, now_s)
            yield received
            if read_bytes > READ_BYTES:
                break
        if not suspended:
            self._read_s = began_s

    def tick(self) -> bool:
        """Run periodic work other than reading packets; call it several times a second.

        Returns
        -------
        bool
            True when `sockets` has changed.
        """
        now_s = boot_s()
        if self._streams.frame_s is not None and self._streams.frame_s > self._showed_s:
            self._showed_s = self._streams.frame_s
            self._link.worked()
        changed = self._link.tick(quiet=self._lacks_wanted_cameras())
        self._announce()
        if self._link.sessions != self._sessions:
            self._sessions = self._link.sessions
            self._begin_session(now_s)
        changed |= self._drop_old_pictures(now_s)
        changed |= self._follow_control()
        self._follow_choices()
        if self._path.tick(now_s) and self._shortage_log.may_log():
            log.warning("%s: %s", self.endpoint, self._path.shortage)
        if (control := self._control) is not None:
            control.read()
            changed |= control.tick()
            self._use_control(control)
        return changed

    def close(self) -> None:
        """Close all sockets; may be called twice."""
        if self._control is not None:
            self._control.close()
        self._link.close()

    def _make(self, address: str, number: int) -> zmq.Socket[Any]:
        """Open a socket that subscribes to the wanted cameras once it is connected."""
        curves = self._options.curves
        curve = curves[number % len(curves)] if curves else None
        options = replace(self._options.socket, curve=curve, ipv6=is_ipv6(address))
        # SUB drops messages of other topics while it looks for one to return, for as long as a
        # peer sends them; XSUB hands them over, and they are counted.
        socket = open_socket(self._context, zmq.XSUB, options)
        # Only the subscriptions below are sent. With a short queue, libzmq would silently drop all
        # but a few of them when it connects.
        socket.setsockopt(zmq.SNDHWM, 0)
        self._subscribed = self._topics.of_cameras()
        for topic in self._subscribed:
            socket.send(b"\1" + topic)
        return socket

    def _announce(self) -> None:
        """Subscribe to the individual topics of this viewer, on each new socket."""
        socket = self._link.socket
        if socket is self._announced or socket is None:
            return
        self._announced = socket
        # Last: once the sender counts this viewer, every subscription is in effect. What is sent
        # before the socket connects goes out in the order of the alphabet.
        individual = self._topics.individual()
        self._subscribed += individual
        for topic in individual:
            socket.send(b"\1" + topic)

    def _follow_choices(self) -> None:
        """Subscribe to what is wanted by now, and to nothing else of cameras."""
        socket = self._link.socket
        if socket is None or not (self._topics.change or self._followed):
            return
        self._followed = bool(self._streams.followed)
        before = self._subscribed
        self._subscribed = self._topics.of_cameras() + self._topics.individual()
        for topic in self._subscribed:
            if topic not in before:
                socket.send(b"\1" + topic)
        for topic in before:
            if topic not in self._subscribed:
                socket.send(b"\0" + topic)

    def _note(self, received: ReceivedPacket, size: int, now_s: float) -> None:
        # On arrival: time spent queued for the decoder is not transit time.
        if received.catch_up:
            return  # frames of before
        self._path.hear(received, size, now_s)
        status, clocks = received.status, self._streams.clocks
        if received.packet is not None:
            same = clocks.hear(received.camera, received.packet.header.stream_id)
            if not same and self._control is not None:
                self._control.restart()
        if status is not None:
            clocks.note(received.camera, status.station, relayed=bool(status.relay))
        clock = clocks.of(received.camera)
        if received.packet is not None:
            t_mono_ns, t_utc_ns = received.sender_times()
            clock.hear(t_mono_ns, t_utc_ns, boot_ns(), time.time_ns())
        if status is not None:
            clock.vouch(status.clock_synchronised, status.clock_error_ms)
            clock.relayed(status.relay_error_ms)
            self._control_port.announce(status.control)

    def _begin_session(self, now_s: float) -> None:
        # The new peer may be another process, even on another machine.
        self._streams.clocks.begin_session()
        self._path.restart(now_s)
        self._names.clear()
        if self._control is not None:
            self._control.restart()

    def _drop_old_pictures(self, now_s: float) -> bool:
        """Reconnect where only old pictures arrive: the queue on the way is discarded."""
        up = self._link.state is LinkState.UP
        if not self._options.live or not up or not self._path.only_old(now_s):
            return False
        if now_s - self._old_s < self._old_pause_s:
            return False
        helped = now_s - self._old_s > 2 * self._old_pause_s + OLD_PAUSE_S
        self._old_pause_s = OLD_PAUSE_S if helped else min(OLD_PAUSE_MAX_S, 2 * self._old_pause_s)
        self._old_s = now_s
        log.debug("%s: reconnecting, because only old pictures arrive", self.endpoint)
        self._link.replace()
        return True

    def _usual_control_port(self) -> int | None:
        try:
            return split_endpoint(control_endpoint(join_endpoint("127.0.0.1", self._port)))[1]
        except SettingsError as exc:
            log.debug("no usual control port: %s", exc)
            return None

    def _follow_control(self) -> bool:
        """Open, move or close the control channel; return True if it was."""
        host, control = self._link.host, self._control
        if not self._options.control or host is None:
            return False
        if self._port != self._link.port:  # another sender may be where this one was
            self._port = self._link.port
            self._control_port = ControlPort(self._usual_control_port())
            if control is not None:
                control.close()
                self._control = control = None
        current = None if control is None else split_endpoint(control.endpoint)[1]
        port = self._control_port.choose(
            current,
            control.silent_s if control else 0.0,
            answered=bool(control and control.answered),
            refused=bool(control and control.refused),
        )
        endpoint = None if port is None else join_endpoint(host, port)
        if (control.endpoint if control else None) == endpoint:
            return False
        if control is not None:
            control.close()
            self._control = None
        if endpoint is not None:
            self._control = ControlLink(
                self._context,
                endpoint,
                lambda: self._streams.clocks.to_ping,
                curves=self._options.curves,
                reply_limits=self._options.reply_limits,
            )
        return True

    def _use_control(self, control: ControlLink) -> None:
        streams, name_of = self._streams.streams, self._streams.name_of
        for name, stream in streams.items():
            if stream.resting:
                continue
            if stream.needs_keyframe and not stream.ended:
                helps = stream.waiting_for_keyframe
                control.ask_keyframe(name_of(name), stream, self.token, catch_up=helps)
        if control.report_due():
            late_s = self._path.take_late_s()
            for name, stream in streams.items():
                if stream.stream_ids and not (stream.ended or stream.resting):
                    control.report(name_of(name), stream, late_s)
        if self._streams.needs_names:
            if control.cameras is None:
                control.ask_cameras()
            else:
                self._streams.note_cameras(control.cameras)
        for name, choice in self._streams.choices.items():
            if following := choice.keyframe_due(boot_s()):
                control.ask_first_keyframe(stream_name(name, following), self.token)
        if self._link.state is LinkState.UP:
            open_cameras = [name for name, stream in streams.items() if not stream.ended]
            names = dict.fromkeys((*self._streams.cameras, *open_cameras))
            if not streams or any(map(self._silent, names)):
                control.ask_cameras()

    def _silent(self, camera: str) -> bool:
        """Return True if nothing arrives for `camera`: the sender may not have it."""
        stream = self._streams.streams.get(camera)
        heard_s = None if stream is None else stream.heard_s
        return heard_s is None or boot_s() - heard_s > ANSWER_S

    def _lacks_wanted_cameras(self) -> bool:
        """Return True if the sender has none of the wanted cameras: its silence is expected."""
        cameras, listed = self._streams.cameras, self.facts.cameras
        if self._streams.needs_names and not self._streams.choices:
            return True  # nothing is subscribed to
        return listed is not None and bool(cameras) and not set(cameras) & set(listed)
