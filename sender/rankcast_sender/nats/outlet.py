"""NatsOutlet: publishes the cameras of one sender at a NATS server."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from rankcast.errors import WorkerError
from rankcast.frame import Scalar
from rankcast.nats import CONTROL, DEFAULT_SITE, OPERATOR_CONTROL, subject_of
from rankcast.nats.client import LoopThread, NatsConnection
from rankcast.recorder import Triggers
from rankcast.runtime import MailboxClosed, Pulse
from rankcast.wire import MAIN, Kind, split_stream
from rankcast_sender.camera import Camera
from rankcast_sender.control import Relaying, RequestHandler
from rankcast_sender.nats.channel_writer import ChannelWriter
from rankcast_sender.nats.options import NatsOutletOptions
from rankcast_sender.nats.presence import Presence
from rankcast_sender.nats.requests import NatsRequests
from rankcast_sender.nats.server_path import ServerPath
from rankcast_sender.nats.stream_keeper import StreamKeeper
from rankcast_sender.published import Published, RelayedCamera
from rankcast_sender.sockets import (
    Channel,
    NewStream,
    NumberedPacket,
    Outgoing,
    StatusSchedule,
    StreamPause,
    frames_in,
)

log = logging.getLogger(__name__)

TICK_S: Final = 0.1
LINGER_S: Final = 1.0
HURRIED_LINGER_S: Final = 0.25
"""After a signal a command must end within a second."""
STOP_S: Final = 2.0


class NatsOutlet:
    """Publishes all cameras of one sender, see `Outlet`.

    A server that is away costs nothing: viewers cannot be heard, so that nothing is encoded. One
    that takes data too slowly costs frames before they are coded, counted as ``slow_server``: no
    frame that was coded is dropped, so that no viewer has to wait for a key frame.

    Parameters
    ----------
    options : NatsOutletOptions
    relaying : Relaying, optional
        What a relay does otherwise.

    Raises
    ------
    SettingsError
        As `NatsOptions.check`.
    """

    connections_closed = 0
    control_port = 0

    def __init__(self, options: NatsOutletOptions, relaying: Relaying | None = None) -> None:
        options.nats.check(options.address)
        self.site = options.nats.site or DEFAULT_SITE
        self.control = f"{options.address}, subjects {subject_of(self.site, 'CAMERA', CONTROL)}"
        """Where control requests go."""
        self._options = options
        self._cameras: list[Camera] = []
        self._paths: dict[Channel, ServerPath] = {}
        """Of all cameras; replaced, not changed, because several threads look at it."""
        self._served: list[Channel] = []
        """Those that the event loop knows."""
        self._listening: set[str] = set()
        """Names of the cameras whose requests are subscribed to in this session."""
        self._appeared = False
        """True while a camera that was added later is not among them."""
        self._ready: deque[Channel] = deque()
        self._work = asyncio.Event()
        self._over: set[Channel] = set()
        self._first: set[Channel] = set()
        """Cameras whose recording a viewer has joined."""
        self._handler = RequestHandler(options.max_packet_bytes, relaying)
        self._closing = threading.Event()
        self._gone = threading.Event()
        self._hurried = False
        self._closed = False
        self._started = False
        self._viewers_changed = threading.Condition()
        self._thread = LoopThread("nats", self._main, self._ended)
        self._connection = NatsConnection(
            options.address, options.nats,
            f"rankcast {'send' if relaying is None else 'relay'} {self.site}", self._subscribe,
            self._progress,
        )  # fmt: skip
        self._writer = ChannelWriter(self._connection, self.site)

    @property
    def key_state(self) -> Mapping[str, Scalar]:
        """Empty: the keys are those of the server."""
        return {}

    @property
    def frames_unsent(self) -> int:
        """Frames that were coded, for a recorder, while the server could not take them."""
        return self._writer.frames_unsent

    @property
    def requests_dropped(self) -> int:
        """Control messages so far that went beyond a budget."""
        return self._requests.dropped if self._started else 0

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """Pulse of the thread."""
        return (self._thread.pulse,)

    def record_on(self, triggers: Triggers | None) -> None:
        """Let clients with the role of an operator pull these triggers; None: no longer."""
        self._handler.triggers = triggers

    @property
    def records_events(self) -> bool:
        """True if a `record` request starts the recording of an event."""
        return self._handler.triggers is not None

    def add(self, camera: Camera) -> None:
        """Add a camera to publish; call it before `start`.

        Raises
        ------
        SettingsError
            If another camera has its name.
        """
        self._handler.add(camera)
        self._cameras.append(camera)
        self._enter(camera)

    def add_relayed(self, camera: RelayedCamera) -> None:
        """Add a camera of another sender, from any thread, also while others are published.

        Raises
        ------
        SettingsError
            If another camera has its name.
        """
        self._handler.add_relayed(camera)
        self._enter(camera)

    def _enter(self, camera: Published) -> None:
        options, channel = self._options, camera.channel
        path = ServerPath(self._connection, options.queue_messages, options.window_bytes)
        channel.congested = lambda: path.is_full
        camera.sender = self
        self._paths = {**self._paths, channel: path}
        if self._started and not self._thread.call(self._begin, channel):
            channel.packets.close()  # nothing will be sent any more

    def start(self) -> None:
        """Start the thread, which connects for as long as it runs."""
        self._served = list(self._paths)
        self._schedule = StatusSchedule(self._served, time.monotonic())
        self._presence = Presence(channel.name for channel in self._served)
        self._requests = NatsRequests(
            self._handler, self._presence, self._options.max_requests_s,
            self._connection.publish_soon, self._thread.call, self._join,
        )  # fmt: skip
        if self._options.keep.age_s:
            kept = [camera for camera in self._cameras if _is_main(camera.name)]
            self._writer.keeper = StreamKeeper(
                self._connection, self.site, kept, self._options.keep
            )
        self._started = True
        self._handler.start()
        self._thread.start()

    def check(self) -> None:
        """Raise the exception that ended the thread, if any."""
        if self._thread.error is not None:
            raise self._thread.error
        self._handler.check()

    def send(self, channel: Channel, packet: Outgoing) -> bool:
        """Queue one packet; the event loop takes it at once, whatever the server does.

        Raises
        ------
        WorkerError
            If the thread has ended.
        """
        accepted = channel.packets.put(packet)
        if not accepted and not self._hurried:
            raise WorkerError("the publisher has ended") from self._thread.error
        self._wake(channel)
        return accepted

    def wait_viewers(
        self, channel: Channel, count: int, stopped: Callable[[], bool], timeout_s: float | None
    ) -> bool:
        """Wait until `count` viewers watch; False when stopped or out of time."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        with self._viewers_changed:
            while channel.viewers < count:
                if stopped() or not self._thread.running:
                    return False
                remaining_s = 0.1
                if deadline_s is not None:
                    remaining_s = min(remaining_s, deadline_s - time.monotonic())
                    if remaining_s <= 0:
                        return False
                self._viewers_changed.wait(remaining_s)
        return True

    def end(self, channel: Channel) -> None:
        """Send the last packet of `channel`, then its end; the other channels continue."""
        channel.closing = True
        channel.packets.close()
        self._wake(channel)

    def hurry(self) -> None:
        """Stop waiting for the server, because the user wants to quit."""
        self._hurried = True
        for channel in self._paths:
            self.end(channel)

    def close(self, impatient: Callable[[], bool] = lambda: False) -> None:
        """Send the end messages and end the thread; may be called twice.

        Raises
        ------
        WorkerError
            If the thread is stuck.
        """
        if self._closed:
            return
        self._closed = True
        for channel in self._paths:
            self.end(channel)
        if not self._started:
            return
        self._closing.set()
        self._thread.stop()
        until_s = time.monotonic() + (self._options.linger_s or LINGER_S) + STOP_S
        while not self._gone.wait(TICK_S) and time.monotonic() < until_s:
            if not self._hurried and impatient():
                self.hurry()
        try:
            self._handler.close()
        finally:
            self._thread.join(STOP_S)

    def _wake(self, channel: Channel) -> None:
        self._ready.append(channel)
        self._thread.call(self._work.set)

    # The methods below run in the event loop.

    def _ended(self) -> None:
        self._gone.set()
        for channel in self._paths:
            for item in channel.packets.drain():
                channel.on_lost(frames_in(item))
        with self._viewers_changed:
            self._viewers_changed.notify_all()

    async def _main(self) -> None:
        stop = asyncio.Event()
        connection = asyncio.ensure_future(self._connection.run(stop))
        try:
            await self._serve(connection)
            if self._connection.is_up:
                for channel in self._paths:
                    await self._writer.status(channel, Kind.END)
                linger_s = self._options.linger_s or LINGER_S
                await self._connection.drain(HURRIED_LINGER_S if self._hurried else linger_s)
        finally:
            stop.set()
            await connection

    async def _serve(self, connection: asyncio.Future[None]) -> None:
        """Send packets and status until the owner closes this."""
        stopping = asyncio.ensure_future(self._thread.stopping.wait())
        try:
            while not connection.done():
                work = asyncio.ensure_future(self._work.wait())
                pause_s = min(TICK_S, self._schedule.pause_s(time.monotonic()))
                waits: list[asyncio.Future[Any]] = [work, connection]
                if not stopping.done():
                    waits.append(stopping)
                if not self._ready:
                    await asyncio.wait(waits, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
                work.cancel()
                self._work.clear()
                await self._turn()
                if stopping.done() and not self._closing.is_set():
                    log.warning("the program ended without closing its publisher")
                    self._closing.set()
                    self._handler.close()
                    for channel in self._paths:
                        self.end(channel)
                if stopping.done() and len(self._over) == len(self._paths):
                    return
        finally:
            stopping.cancel()

    async def _turn(self) -> None:
        now_s = time.monotonic()
        if self._appeared and self._connection.is_up:
            self._appeared = False
            await self._listen()
        self._count_viewers(now_s)
        while self._first:
            # What packets of a recording mean stands in the status, which comes before them.
            await self._writer.status(self._first.pop(), Kind.STATUS)
        while self._ready:
            await self._forward(self._ready.popleft())
        self._requests.tick()
        self._handler.tick()
        if self._writer.keeper is not None:
            self._writer.keeper.check()
        for channel in self._schedule.take_due(now_s):
            is_over = channel in self._over or channel.paused
            kind = Kind.END if is_over else Kind.STATUS
            await self._writer.status(channel, kind)
            channel.ended = channel in self._over

    async def _forward(self, channel: Channel) -> None:
        """Send what waits of one camera."""
        while True:
            try:
                item = channel.packets.get(0)
            except MailboxClosed:
                if channel not in self._over:
                    self._over.add(channel)
                    await self._writer.status(channel, Kind.END)
                    channel.ended = True
                return
            if item is None:
                return
            if isinstance(item, NewStream):
                channel.begin(item)
                await self._writer.status(channel, Kind.STATUS)
                continue
            if isinstance(item, StreamPause):
                channel.paused = True
                await self._writer.status(channel, Kind.END)
                continue
            data = item.data if isinstance(item, NumberedPacket) else item
            sequence = item.sequence if isinstance(item, NumberedPacket) else channel.sent
            if data:
                taken = await self._writer.frame(channel, self._paths[channel], data)
                noted = channel.on_sent if taken else channel.on_unsent or channel.on_sent
                noted()
            channel.sent = sequence + 1

    def _begin(self, channel: Channel) -> None:
        """Serve a camera that appeared after the start."""
        self._served.append(channel)
        self._appeared = True
        self._presence.add(channel.name)
        self._schedule.add(channel, time.monotonic())
        self._work.set()

    async def _subscribe(self) -> None:
        self._listening.clear()
        await self._listen()
        now_s = time.monotonic()
        for channel in self._served:
            self._schedule.joined(channel, now_s)
        if self._writer.keeper is not None:
            self._writer.keeper.begin_session()

    async def _listen(self) -> None:
        """Subscribe to the requests for those cameras for which this session has not yet."""
        for served in list(self._served):
            # Requests for a substream go to the subjects of its camera.
            camera = split_stream(served.name)[0]
            if camera in self._listening:
                continue
            self._listening.add(camera)
            for channel in (CONTROL, OPERATOR_CONTROL):
                subject = subject_of(self.site, camera, channel)
                await self._connection.subscribe(subject, self._requests.take)

    def _progress(self) -> None:
        """Note what the server has taken, or that the connection is another one."""
        if not self._connection.is_up:
            # Viewers at the server cannot be reached, and say again that they watch.
            self._presence.clear()
            if self._writer.keeper is not None:
                self._writer.keeper.end_session()
            for path in self._paths.values():
                path.clear()
        for path in self._paths.values():
            path.judge()

    def _join(self, camera: str, token: bytes) -> None:
        for channel in self._served:
            if channel.name == camera:
                self._count_viewers(time.monotonic())
                channel.on_join(b"/" + token)
                self._schedule.joined(channel, time.monotonic())
                if channel.replay is not None:
                    self._first.add(channel)
                    self._work.set()

    def _count_viewers(self, now_s: float) -> None:
        for channel in self._served:
            channel.viewers = self._presence.viewers(channel.name, now_s)
        with self._viewers_changed:
            self._viewers_changed.notify_all()


def _is_main(name: str) -> bool:
    """Return True for a camera, False for a substream, which no stream of the server keeps."""
    return split_stream(name)[1] == MAIN
