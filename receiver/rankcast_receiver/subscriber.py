"""Subscriber: the frames of one sender, decoded, as an iterator."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import zmq

from rankcast.errors import LimitError, NoStreamError, SettingsError, WireError
from rankcast.frame import Frame
from rankcast.ledger import Balance, Ledger
from rankcast.topic import check_name, frames_topic, split_message, status_topic, viewer_topic
from rankcast.transport import (
    DEFAULT_ENDPOINT,
    SocketOptions,
    check_endpoint,
    configure,
    is_ipv6,
)
from rankcast.wire import Limits, unpack
from rankcast_receiver.stream import CameraStream

log = logging.getLogger(__name__)

LIVE_QUEUE_MESSAGES: Final = 4
KEEP_QUEUE_MESSAGES: Final = 64
BUFFER_BYTES: Final = 262_144
POLL_S: Final = 0.1
DRAIN_MESSAGES: Final = 256
"""Upper bound of one drain, so that a sender faster than this loop cannot hold it."""
MAX_CAMERAS: Final = 64
"""Names come from the peer: each one costs a decoder."""
SILENCE_S: Final = 3.0
"""Status comes once a second: after three without any, the socket is rebuilt, because libzmq
never reconnects after a protocol error."""
KEEP_SILENCE_S: Final = 30.0
"""Where every frame counts, another viewer may hold the sender back, status included; what is sent
while this one connects anew would be lost."""
REBUILD_MAX_S: Final = 10.0
ANSWER_S: Final = 2.5
"""A sender whose last status is older does not answer any more."""
MARGIN_BYTES: Final = 1 << 20
"""libzmq ends the connection over a longer message; one that is little too long is counted here."""


class Subscriber:
    """Receives the pictures of one sender.

    Parameters
    ----------
    connect : str
        Address of the sender, ``tcp://HOST:PORT``.
    camera : str, optional
        Name of one camera; by default every camera of the sender.
    live : bool
        True: each frame is the newest there is, and what was skipped is counted. False: every
        frame is handed out, and a sender in real time drops what does not fit the queue.
    timeout_s : float, optional
        Longest wait without a new frame.
    stay : bool
        Wait for the next stream when one has ended.
    limits : Limits
        What a packet may ask for.
    queue_messages, buffer_bytes : int
        Bounds of what waits in libzmq and in the kernel.
    models : Path, optional
        Folder of the model files that packets of learned codecs name.
    stopped : callable
        Asked ten times a second; iteration ends when it is true.

    Raises
    ------
    SettingsError
        If an argument is wrong.

    Notes
    -----
    Use it from the thread that made it. Connecting does not wait for the sender.
    """

    def __init__(
        self,
        connect: str = DEFAULT_ENDPOINT,
        *,
        camera: str | None = None,
        live: bool = True,
        timeout_s: float | None = None,
        stay: bool = False,
        limits: Limits | None = None,
        queue_messages: int | None = None,
        buffer_bytes: int = BUFFER_BYTES,
        models: Path | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._endpoint = check_endpoint(connect, bind=False)
        self._camera = check_name(camera) if camera else None
        self._live = live
        self._timeout_s = timeout_s
        self._stay = stay
        self._limits = limits or Limits()
        self._models = models
        self._options = SocketOptions(
            queue_messages or (LIVE_QUEUE_MESSAGES if live else KEEP_QUEUE_MESSAGES),
            buffer_bytes,
            self._limits.max_packet_bytes + MARGIN_BYTES,
            ipv6=is_ipv6(self._endpoint),
        )
        self._stopped = stopped
        self._ledger = Ledger()
        self._streams: dict[str, CameraStream] = {}
        self._token = os.urandom(16)
        self.foreign_messages = 0
        """Messages that were none of Rankcast's."""
        self.reconnects = 0
        """Times that the connection was made anew after silence."""
        self._last_message = self._last_status = time.monotonic()
        self._silence_s = SILENCE_S if live else KEEP_SILENCE_S
        self._rebuild_after_s = self._silence_s
        self._context = zmq.Context()
        try:
            self._socket = self._connect()
        except BaseException:
            self._context.term()
            raise

    @property
    def streams(self) -> dict[str, CameraStream]:
        """What is known of each camera, by name."""
        return self._streams

    def balance(self) -> Balance:
        """Frames that were published since joining, handed out, and lost by cause."""
        return self._ledger.balance()

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until the stream ends.

        Raises
        ------
        NoStreamError
            If no new frame came within ``timeout_s``.
        """
        last_frame = time.monotonic()
        while not self._stopped():
            wait_s = POLL_S
            if self._timeout_s is not None:
                wait_s = min(wait_s, max(0.0, last_frame + self._timeout_s - time.monotonic()))
            if not self._socket.poll(round(wait_s * 1000), zmq.POLLIN):
                if self._timeout_s is not None and wait_s < POLL_S:
                    raise NoStreamError(self._silence())
                self._watch()
                continue
            for frame in self._receive():
                yield frame
                last_frame = time.monotonic()  # the time that the caller took is not the sender's
            if self._streams and not self._stay and all(s.ended for s in self._streams.values()):
                return

    def close(self) -> None:
        """Close the socket; may be called twice."""
        self._socket.close(linger=0)
        self._context.term()

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _connect(self) -> zmq.Socket[Any]:
        socket = self._context.socket(zmq.SUB)
        configure(socket, self._options)
        # Frames first: a status that arrives then proves that frames would have, too.
        if self._camera is None:
            socket.setsockopt(zmq.SUBSCRIBE, b"")
        else:
            socket.setsockopt(zmq.SUBSCRIBE, frames_topic(self._camera))
            socket.setsockopt(zmq.SUBSCRIBE, status_topic(self._camera))
        # Last: once the sender counts this viewer, it gets everything.
        socket.setsockopt(zmq.SUBSCRIBE, viewer_topic(self._token, self._camera))
        try:
            socket.connect(self._endpoint)
        except zmq.ZMQError as exc:
            socket.close(linger=0)
            raise SettingsError(f"cannot connect to {self._endpoint}: {exc.strerror}") from exc
        return socket

    def _receive(self) -> list[Frame]:
        """Read what waits; in live mode one frame a camera comes out, the newest."""
        fresh: dict[str, CameraStream] = {}
        for _ in range(DRAIN_MESSAGES if self._live else 1):
            try:
                message = self._socket.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                break
            self._last_message = time.monotonic()
            self._rebuild_after_s = self._silence_s
            self._take(message.buffer, fresh)
        frames = (stream.decode() for stream in fresh.values())
        return [frame for frame in frames if frame is not None]

    def _take(self, message: memoryview, fresh: dict[str, CameraStream]) -> None:
        try:
            camera, channel, data = split_message(message)
            stream = self._stream(camera)
        except WireError as exc:
            self.foreign_messages += 1
            log.debug("ignored a message: %s", exc)
            return
        try:
            packet = unpack(data, self._limits)
            if (channel == "frames") != packet.header.kind.is_picture:
                raise WireError(f"kind {packet.header.kind.name} came on topic {channel}")
            if stream.accept(packet):
                fresh[camera] = stream
            elif not packet.header.kind.is_picture:
                self._last_status = time.monotonic()
        except WireError as exc:
            stream.refuse(exc)

    def _stream(self, camera: str) -> CameraStream:
        stream = self._streams.get(camera)
        if stream is None:
            if len(self._streams) >= MAX_CAMERAS:
                raise LimitError(f"got camera {camera}, the limit is {MAX_CAMERAS} cameras")
            stream = self._streams[camera] = CameraStream(
                camera, self._limits, self._ledger, self._models
            )
        return stream

    def _watch(self) -> None:
        """Rebuild the socket when nothing comes, at growing, jittered intervals."""
        if time.monotonic() - self._last_message < self._rebuild_after_s:
            return
        self._socket.close(linger=0)
        self._socket = self._connect()
        self.reconnects += 1
        self._last_message = time.monotonic()
        self._rebuild_after_s = min(
            max(REBUILD_MAX_S, self._silence_s), self._rebuild_after_s * random.uniform(1.2, 1.8)
        )
        log.debug("%s: silent, connected anew", self._endpoint)

    def _silence(self) -> str:
        """What is known when no frame came in time."""
        waited = f"no frame within {self._timeout_s:g} s from {self._endpoint}"
        if self._camera is not None:
            waited += f", camera {self._camera}"
        known = [stream for stream in self._streams.values() if stream.status is not None]
        if not known:
            return f"{waited}: nothing answered; does the sender run, with that camera and port?"
        quiet_s = time.monotonic() - self._last_status
        states = ", ".join(f"{s.camera} is {s.status.state}" for s in known if s.status)
        if quiet_s > ANSWER_S:
            return f"{waited}: the sender fell silent {quiet_s:.1f} s ago, before that {states}"
        return f"{waited}: the sender answers, {states}"
