"""Connection: the sockets between a receiver and one sender, and the packets they receive."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import zmq

from rankcast.boot_clock import boot_ns, boot_s
from rankcast.errors import SettingsError, TransportError, WireError
from rankcast.net import (
    CurveClient,
    Link,
    LinkMonitor,
    SocketOptions,
    control_endpoint,
    is_ipv6,
    open_socket,
)
from rankcast.wire import Limits, frames_topic, status_topic, viewer_topic
from rankcast_receiver.net.control_link import ControlLink
from rankcast_receiver.net.reconnect_policy import KEEP_SILENCE_S, SILENCE_S, ReconnectPolicy
from rankcast_receiver.state import ANSWER_S, LinkFacts
from rankcast_receiver.stream import ReceivedPacket, SenderStreams, read_message

log = logging.getLogger(__name__)

READ_MESSAGES: Final = 256
"""Most messages per `receive`, so that a flood from one sender does not delay the others."""
READ_BYTES: Final = 128 * 1024 * 1024
"""Most bytes per `receive`, for the same reason."""
SUSPENDED_S: Final = 0.5
"""A longer pause between two reads means that this process was suspended: messages that arrived
meanwhile may still be in transit from the kernel through libzmq."""
CONTROL_S: Final = 1.5
"""A control channel that has not answered for this long may use another port."""


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
        """Number of messages that are not Rankcast messages."""
        self.reconnects = 0
        self._context = context
        self._streams = streams
        self._options = options
        self._token = os.urandom(16)
        self._attempt = 0
        now_s = boot_s()
        self._read_s: float | None = None
        self._began_s = now_s
        self._policy = ReconnectPolicy(SILENCE_S if options.live else KEEP_SILENCE_S, now_s)
        self._control: ControlLink | None = None
        self._monitor = LinkMonitor(keys=bool(options.curves))
        self._socket = self._open()
        try:
            if options.control:
                self._open_control(None)
        except BaseException:
            self.close()
            raise

    @property
    def sockets(self) -> list[zmq.Socket[Any]]:
        """All sockets, for a poller; they change when `tick` returns True."""
        extra = (self._monitor.pair, self._control.socket if self._control else None)
        return [self._socket, *(socket for socket in extra if socket is not None)]

    @property
    def facts(self) -> LinkFacts:
        """State of the connection, for the thread that judges the cameras."""
        return LinkFacts(
            self._monitor.link,
            self._monitor.age_s,
            self._monitor.ever_up,
            self._monitor.detail,
            self._control.cameras if self._control else None,
            self._read_s,
        )

    def receive(self, most: int = READ_MESSAGES) -> Iterator[ReceivedPacket]:
        """Yield at most `most` packets that have arrived, without waiting for more."""
        began_s = boot_s()
        suspended = began_s - self._began_s > SUSPENDED_S
        self._began_s = began_s
        read_bytes = 0
        for _ in range(most):
            try:
                message = self._socket.recv(zmq.NOBLOCK, copy=False).buffer
            except zmq.Again:
                break
            now_s = boot_s()
            self._policy.heard(now_s)
            read_bytes += len(message)
            try:
                received = read_message(message, self._options.limits, now_s)
            except WireError as exc:
                self.foreign_messages += 1
                log.debug("ignored a message: %s", exc)
                continue
            self._note_clock(received)
            yield received
            if read_bytes > READ_BYTES:
                break
        if not suspended:
            self._read_s = began_s

    def pause(self) -> None:
        """Record that reading is paused, so that silence is not mistaken for a lost connection."""
        self._began_s = boot_s()
        self._policy.moved(self._began_s)

    def tick(self) -> bool:
        """Run periodic work other than reading packets; call it several times a second.

        Returns
        -------
        bool
            True when `sockets` has changed.
        """
        if self._monitor.read():
            self._link_changed()
        changed = self._reconnect_if_due()
        changed |= self._follow_control()
        if (control := self._control) is not None:
            control.read()
            changed |= control.tick()
            self._use_control(control)
        return changed

    def close(self) -> None:
        """Close all sockets; may be called twice."""
        if self._control is not None:
            self._control.close()
        self._monitor.detach()
        self._socket.close(linger=0)

    def _open(self) -> zmq.Socket[Any]:
        cameras = self._streams.cameras
        options = replace(self._options.socket, curve=self._curve, ipv6=is_ipv6(self.endpoint))
        socket = open_socket(self._context, zmq.SUB, options)
        try:
            # Only the subscriptions below are sent. With the short queue of a live viewer, libzmq
            # would silently drop all but four of them when it connects.
            socket.setsockopt(zmq.SNDHWM, 0)
            # Frames first: a status that arrives then proves that frames would have, too.
            for name in cameras:
                socket.setsockopt(zmq.SUBSCRIBE, frames_topic(name))
                socket.setsockopt(zmq.SUBSCRIBE, status_topic(name))
            if not cameras:
                socket.setsockopt(zmq.SUBSCRIBE, b"")
            # Last: once the sender counts this viewer, every subscription is in effect.
            for viewed in cameras or (None,):
                socket.setsockopt(zmq.SUBSCRIBE, viewer_topic(self._token, viewed))
            self._monitor.attach(socket)
            socket.connect(self.endpoint)
        except BaseException as exc:
            self._monitor.detach()
            socket.close(linger=0)
            if not isinstance(exc, zmq.ZMQError):
                raise
            reason = f"cannot connect to {self.endpoint}: {exc.strerror}"
            exhausted = exc.errno in (errno.EMFILE, errno.ENFILE)
            raise (TransportError if exhausted else SettingsError)(reason) from exc
        return socket

    @property
    def _curve(self) -> CurveClient | None:
        curves = self._options.curves
        return curves[self._attempt % len(curves)] if curves else None

    def _open_control(self, port: int | None) -> None:
        """Open the control channel at `port` of the sender, or at the usual one."""
        host = self.endpoint.rpartition(":")[0]
        try:
            endpoint = control_endpoint(self.endpoint) if port is None else f"{host}:{port}"
            self._control = ControlLink(
                self._context, endpoint, self._streams.clock, curve=self._curve
            )
        except SettingsError as exc:
            log.debug("no control channel: %s", exc)

    def _note_clock(self, received: ReceivedPacket) -> None:
        # On arrival: time spent queued for the decoder is not transit time.
        if received.packet is not None:
            header = received.packet.header
            self._streams.clock.hear(
                header.t_capture_mono_ns,
                header.t_capture_utc_ns,
                boot_ns(),
                time.time_ns(),
            )
        if (status := received.status) is not None:
            self._streams.clock.vouch(status.clock_synchronised, status.clock_error_ms)

    def _follow_control(self) -> bool:
        """Try the port that the sender announces if the usual one does not answer; True when moved.

        The usual one first: behind a forwarded port the sender knows only its own side.
        """
        statuses = (stream.status for stream in self._streams.streams.values())
        announced = {status.control for status in statuses if status is not None}
        control = self._control
        if control is None or len(announced) != 1 or control.answered or control.age_s < CONTROL_S:
            return False
        port = announced.pop()
        if port and control.endpoint.endswith(f":{port}"):
            return False
        control.close()
        self._control = None
        if port:
            self._open_control(port)
        return True

    def _use_control(self, control: ControlLink) -> None:
        streams = self._streams.streams
        for name, stream in streams.items():
            if stream.waiting_for_keyframe and not stream.ended:
                control.ask_keyframe(name, stream)
        if control.report_due():
            for name, stream in streams.items():
                if stream.stream_ids and not stream.ended:
                    control.report(name, stream)
        if self._monitor.link is Link.UP and any(map(self._silent, self._streams.cameras)):
            control.ask_cameras()

    def _silent(self, camera: str) -> bool:
        """Return True if nothing arrives for `camera`: the sender may not have it."""
        stream = self._streams.streams.get(camera)
        heard_s = None if stream is None else stream.heard_s
        return heard_s is None or boot_s() - heard_s > ANSWER_S

    def _link_changed(self) -> None:
        log.debug("%s: %s %s", self.endpoint, self._monitor.link.name, self._monitor.detail)
        self._policy.moved(boot_s())
        if self._monitor.link is Link.UP:
            # The new peer may be another process, even on another machine.
            self._streams.clock.restart()
            if self._control is not None:
                self._control.restart()

    def _reconnect_if_due(self) -> bool:
        """Rebuild the socket if libzmq has given up or nothing arrives; return True if it was."""
        now_s = boot_s()
        if self._streams.frame_s is not None:
            self._policy.showed(self._streams.frame_s)
        wrong_key = self._monitor.link is Link.KEY_REFUSED and len(self._options.curves) > 1
        if self._monitor.given_up or wrong_key:
            due = self._policy.given_up(now_s)
        else:
            # If nobody listens, libzmq itself retries once a second.
            trying = self._monitor.link in (Link.REFUSED, Link.UNREACHABLE)
            due = self._policy.silent(now_s) and not trying and not self._lacks_wanted_cameras()
        if due:
            self._rebuild(now_s)
        return due

    def _lacks_wanted_cameras(self) -> bool:
        """Return True if the sender has none of the wanted cameras: its silence is expected."""
        cameras, listed = self._streams.cameras, self.facts.cameras
        return listed is not None and bool(cameras) and not set(cameras) & set(listed)

    def _rebuild(self, now_s: float) -> None:
        self._attempt += 1
        self._monitor.detach()
        self._socket.close(linger=0)
        self._socket = self._open()
        if len(self._options.curves) > 1 and self._control is not None:
            self._control.close()
            self._control = None
            self._open_control(None)
        self.reconnects += 1
        self._policy.made(now_s)
        log.debug("%s: reconnected", self.endpoint)
