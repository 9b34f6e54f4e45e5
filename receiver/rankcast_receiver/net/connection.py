"""Connection: everything between a receiver and one sender."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import zmq

from rankcast.errors import LimitError, SettingsError, WireError
from rankcast.frame import Frame
from rankcast.net import (
    CurveClient,
    Link,
    LinkMonitor,
    SocketOptions,
    configure,
    control_endpoint,
    is_ipv6,
)
from rankcast.runtime import Ledger, LogLimiter
from rankcast.wire import Limits, frames_topic, split_message, status_topic, unpack, viewer_topic
from rankcast_receiver.net.control_link import ControlLink
from rankcast_receiver.net.reconnect_policy import KEEP_SILENCE_S, SILENCE_S, ReconnectPolicy
from rankcast_receiver.stream import (
    ANSWER_S,
    DECODE_BUDGET_S,
    CameraState,
    CameraStream,
    Evidence,
    SenderClock,
    decode_newest,
    judge,
)

log = logging.getLogger(__name__)

DRAIN_MESSAGES: Final = 256
"""Upper bound of one drain, so that a sender faster than this loop cannot hold it."""
DRAIN_BYTES: Final = 128 * 1024 * 1024
"""The same in bytes: what was read waits in memory until it is decoded."""
LONG_TURN_S: Final = 0.05
REFILL_S: Final = 0.01
"""After so long a turn libzmq is given so long to take from the kernel what its queue had no room
for: what stays there gets old, and no budget would notice it."""
MAX_CAMERAS: Final = 64
"""Names come from the peer: each one costs a decoder."""
CONTROL_S: Final = 1.5
"""A control channel that has not answered for that long may be at another port."""


class Connection:
    """Subscribes to some or all cameras of one sender, and keeps the connection alive.

    Parameters
    ----------
    context : zmq.Context
    endpoint : str
        Address of the frames.
    cameras : sequence of str
        Names at the sender; empty takes every camera.
    live : bool
        True: `receive` gives the newest frame of each camera. False: every frame.
    limits : Limits
    options : SocketOptions
        Without keys, and whatever the address.
    curves : sequence of CurveClient
        One for each key that the sender may have: each new socket tries the next. Empty: no keys.
    control : bool
        Use the sender's control channel too.
    models : Path, optional
        Folder of the model files that packets of learned codecs name.
    suffix : str
        Put behind the names of cameras, where several senders may have equal ones.

    Raises
    ------
    SettingsError
        If libzmq refuses the address.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        endpoint: str,
        cameras: Sequence[str],
        *,
        live: bool,
        limits: Limits,
        options: SocketOptions,
        curves: Sequence[CurveClient] = (),
        control: bool = True,
        models: Path | None = None,
        suffix: str = "",
    ) -> None:
        self.endpoint = endpoint
        self.cameras = tuple(cameras)
        self.streams: dict[str, CameraStream] = {}
        self._patience = LogLimiter(burst=20)
        """What is known of each camera, by its name at the sender."""
        self.clock = SenderClock()
        self.foreign_messages = 0
        self.reconnects = 0
        self._context = context
        self._live = live
        self._limits = limits
        self._options = options
        self._curves = tuple(curves)
        self._models = models
        self._suffix = suffix
        self._token = os.urandom(16)
        self._messages: Counter[str] = Counter()
        self._attempt = 0
        self._long_turn = False
        self._renewal = ReconnectPolicy(SILENCE_S if live else KEEP_SILENCE_S, time.monotonic())
        self._control: ControlLink | None = None
        self._monitor = LinkMonitor(keys=bool(curves))
        self._socket = self._open()
        if control:
            self._open_control(None)

    @property
    def sockets(self) -> list[zmq.Socket[Any]]:
        """All sockets, for a poller; others after `tick` has returned True."""
        extra = (self._monitor.pair, self._control.socket if self._control else None)
        return [self._socket, *(socket for socket in extra if socket is not None)]

    @property
    def ended(self) -> bool:
        """True when every wanted camera that is known has said its end."""
        known = set(self.cameras) <= set(self.streams)
        return bool(self.streams) and known and all(s.ended for s in self.streams.values())

    @property
    def holding(self) -> bool:
        """True while a picture that came late waits for a fresh one; `receive` gives it out."""
        return any(stream.holding for stream in self.streams.values())

    def receive(
        self,
        budget_s: float = DECODE_BUDGET_S,
        stopped: Callable[[], bool] = lambda: False,
    ) -> list[Frame]:
        """Read what waits; in live mode one frame a camera comes out, the newest within budget.

        `stopped` is asked before each picture, and true ends decoding.
        """
        fresh: dict[str, CameraStream] = {}
        read_bytes = 0
        refill_until_s = float("inf")
        for count in range(DRAIN_MESSAGES if self._live else 1):
            try:
                message = self._socket.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                now = time.monotonic()
                refill_until_s = min(refill_until_s, now + REFILL_S)
                wait_ms = round(1000 * (refill_until_s - now))
                full = 2 * count >= self._options.queue_messages
                if not (self._long_turn and full and wait_ms > 0 and self._socket.poll(wait_ms)):
                    break
                continue
            self._renewal.heard(time.monotonic())
            self._take(message.buffer, fresh)
            read_bytes += len(message.buffer)
            if read_bytes > DRAIN_BYTES:
                break
        began = time.monotonic()
        # A picture that was held back comes out without a new packet.
        fresh |= {name: stream for name, stream in self.streams.items() if stream.holding}
        frames = decode_newest(fresh.values(), budget_s, stopped)
        if frames:
            self._renewal.showed()
        self._long_turn = self._live and time.monotonic() - began > LONG_TURN_S
        return frames

    def tick(self) -> bool:
        """Do what is due beside the frames; call it several times a second.

        Returns
        -------
        bool
            True when `sockets` has changed.
        """
        if self._monitor.read():
            self._link_changed()
        changed = self._watch()
        changed |= self._follow_control()
        if (control := self._control) is not None:
            control.read()
            changed |= control.tick()
            self._use_control(control)
        return changed

    def states(self) -> list[CameraState]:
        """The state of every wanted camera, and of every other one that is known."""
        now = time.monotonic()
        names = dict.fromkeys((*self.cameras, *self.streams)) or {"": None}
        return [self._state(name, now) for name in names]

    def abandon(self) -> None:
        """Account for pictures that `receive` would still have returned."""
        for stream in self.streams.values():
            stream.abandon()

    def close(self) -> None:
        """Close all sockets; may be called twice."""
        if self._control is not None:
            self._control.close()
        self._monitor.detach()
        self._socket.close(linger=0)

    def _state(self, name: str, now: float) -> CameraState:
        stream = self.streams.get(name)
        status = None if stream is None else stream.status
        state, detail = judge(
            Evidence(
                link=self._monitor.link,
                link_age_s=self._monitor.age_s,
                ever_up=self._monitor.ever_up,
                link_detail=self._monitor.detail,
                frame_age_s=_age(now, stream.frame_s if stream else None),
                picture_age_s=_age(now, stream.captured_s if stream else None),
                status_age_s=_age(now, stream.heard_s if stream else None),
                camera_state=status.state if status else "",
                ended=bool(stream and stream.ended),
                waiting_for_keyframe=bool(stream and stream.waiting_for_keyframe),
                overloaded=bool(stream and stream.overloaded),
                refusal=stream.refusal if stream else "",
                cameras=self._control.cameras if self._control else None,
                wanted=name,
            )
        )
        return CameraState(name + self._suffix if name else "", self.endpoint, state, detail)

    def _open(self) -> zmq.Socket[Any]:
        socket: zmq.Socket[Any] = self._context.socket(zmq.SUB)
        try:
            configure(socket, self._options_now())
            # All that goes out are the subscriptions below. With the queue of a live viewer,
            # libzmq would drop those after the fourth when it connects, without a word.
            socket.setsockopt(zmq.SNDHWM, 0)
            # Frames first: a status that arrives then proves that frames would have, too.
            for name in self.cameras:
                socket.setsockopt(zmq.SUBSCRIBE, frames_topic(name))
                socket.setsockopt(zmq.SUBSCRIBE, status_topic(name))
            if not self.cameras:
                socket.setsockopt(zmq.SUBSCRIBE, b"")
            # Last: once the sender counts this viewer, it gets everything.
            for viewed in self.cameras or (None,):
                socket.setsockopt(zmq.SUBSCRIBE, viewer_topic(self._token, viewed))
            self._monitor.attach(socket)
            socket.connect(self.endpoint)
        except zmq.ZMQError as exc:
            self._monitor.detach()
            socket.close(linger=0)
            raise SettingsError(f"cannot connect to {self.endpoint}: {exc.strerror}") from exc
        except BaseException:
            self._monitor.detach()
            socket.close(linger=0)
            raise
        return socket

    def _options_now(self) -> SocketOptions:
        return replace(self._options, curve=self._curve, ipv6=is_ipv6(self.endpoint))

    @property
    def _curve(self) -> CurveClient | None:
        return self._curves[self._attempt % len(self._curves)] if self._curves else None

    def _open_control(self, port: int | None) -> None:
        """Open the control channel at `port` of the sender, or at the usual one."""
        host = self.endpoint.rpartition(":")[0]
        try:
            endpoint = control_endpoint(self.endpoint) if port is None else f"{host}:{port}"
            self._control = ControlLink(self._context, endpoint, self.clock, curve=self._curve)
        except SettingsError as exc:
            log.debug("no control channel: %s", exc)

    def _follow_control(self) -> bool:
        """Try the port that the sender names where the usual one does not answer; True when moved.

        The usual one first: behind a forwarded port the sender knows only its own side.
        """
        said = {s.status.control for s in self.streams.values() if s.status is not None}
        control = self._control
        if control is None or len(said) != 1 or control.answered or control.age_s < CONTROL_S:
            return False
        port = said.pop()
        if port and control.endpoint.endswith(f":{port}"):
            return False
        control.close()
        self._control = None
        if port:
            self._open_control(port)
        return True

    def _use_control(self, control: ControlLink) -> None:
        for name, stream in self.streams.items():
            if stream.waiting_for_keyframe and not stream.ended:
                control.ask_keyframe(name, stream)
        if control.report_due():
            for name, stream in self.streams.items():
                if stream.stream_ids and not stream.ended:
                    control.report(name, stream)
        if self._monitor.link is Link.UP and any(map(self._silent, self.cameras)):
            control.ask_cameras()

    def _silent(self, camera: str) -> bool:
        """True when the sender says nothing of `camera`: perhaps it has no such one, or no more."""
        stream = self.streams.get(camera)
        age_s = _age(time.monotonic(), stream.heard_s if stream else None)
        return age_s is None or age_s > ANSWER_S

    def _link_changed(self) -> None:
        log.debug("%s: %s %s", self.endpoint, self._monitor.link.name, self._monitor.detail)
        self._renewal.moved(time.monotonic())
        if self._monitor.link is Link.UP:
            # Perhaps another process on another machine.
            self.clock.restart()
            if self._control is not None:
                self._control.restart()

    def _watch(self) -> bool:
        """Rebuild the socket where libzmq has given up or says nothing; True when it did."""
        now = time.monotonic()
        wrong_key = self._monitor.link is Link.KEY_REFUSED and len(self._curves) > 1
        if self._monitor.given_up or wrong_key:
            due = self._renewal.given_up(now)
        else:
            # Where nobody listens libzmq knocks once a second, and needs no help.
            knocking = self._monitor.link in (Link.REFUSED, Link.UNREACHABLE)
            due = self._renewal.silent(now) and not knocking and not self._none_there()
        if due:
            self._rebuild(now)
        return due

    def _none_there(self) -> bool:
        """True when the sender says that it has none of the wanted cameras: silence is right."""
        there = None if self._control is None else self._control.cameras
        return there is not None and bool(self.cameras) and not set(self.cameras) & set(there)

    def _rebuild(self, now: float) -> None:
        self._attempt += 1
        self._monitor.detach()
        self._socket.close(linger=0)
        self._socket = self._open()
        if len(self._curves) > 1 and self._control is not None:
            self._control.close()
            self._control = None
            self._open_control(None)
        self.reconnects += 1
        self._renewal.made(now)
        log.debug("%s: connected anew", self.endpoint)

    def _take(self, message: memoryview, fresh: dict[str, CameraStream]) -> None:
        try:
            camera, channel, data = split_message(message)
            try:
                packet = unpack(data, self._limits)
                if (channel == "frames") != packet.header.kind.is_picture:
                    raise WireError(f"kind {packet.header.kind.name} came on topic {channel}")
            except WireError as exc:
                self._stream(camera, None).refuse(exc)
                return
            stream = self._stream(camera, packet.header.stream_id)
        except WireError as exc:
            self.foreign_messages += 1
            log.debug("ignored a message: %s", exc)
            return
        try:
            if stream.accept(packet):
                fresh[camera] = stream
            self._messages[camera] += 1
        except WireError as exc:
            stream.refuse(exc)

    def _stream(self, camera: str, stream_id: bytes | None) -> CameraStream:
        """Stream of `camera`; `stream_id` is None for a packet that cannot be read.

        The topic stands outside the checksum of the packet: a bit flipped there must not make a
        second camera that never ends. Stream ids belong to one camera each.
        """
        for name, other in self.streams.items():
            if name == camera or other.stream_id != stream_id:
                continue
            if self._messages[name] > 1:
                raise WireError(f"the stream of camera {name} came as camera {camera}")
            other.ended = True  # that one message was the damaged one
        stream = self.streams.get(camera)
        if stream is None:
            if stream_id is None and self.streams and camera not in self.cameras:
                raise WireError(f"a damaged packet came as unknown camera {camera}")
            if len(self.streams) >= MAX_CAMERAS:
                raise LimitError(f"got camera {camera}, the limit is {MAX_CAMERAS} cameras")
            stream = self.streams[camera] = CameraStream(
                camera + self._suffix,
                self._limits,
                Ledger(),
                self.clock,
                self._patience,
                self._models,
                live=self._live,
            )
        return stream


def _age(now: float, then: float | None) -> float | None:
    return None if then is None else now - then
