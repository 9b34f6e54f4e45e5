"""NatsInlet: brings the packets of the cameras at a NATS server to a receiver."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from typing import Final

from rankcast.boot_clock import boot_ns, boot_s
from rankcast.errors import NameTakenError, RankcastError, SettingsError, WireError, WorkerError
from rankcast.nats import (
    Assembler,
    NatsAddress,
    NatsOptions,
    PastOptions,
    Subject,
    control_subject,
    parse_subject,
    split_name,
    split_stream_name,
)
from rankcast.nats.client import LoopThread, Message, NatsConnection
from rankcast.nats.jetstream import JetStream
from rankcast.net import CurveClient, LinkState
from rankcast.runtime import LogLimiter, Pulse
from rankcast.wire import MAIN, Header
from rankcast_receiver.nats.acknowledgements import key_of
from rankcast_receiver.nats.camera_client import CameraClient
from rankcast_receiver.nats.kept_camera import Ways
from rankcast_receiver.nats.kept_cameras import KeptCameras
from rankcast_receiver.nats.renewals import Renewals
from rankcast_receiver.nats.wanted import Wanted
from rankcast_receiver.nats.watched_camera import WatchedCamera
from rankcast_receiver.net import ConnectionOptions, ControlRequest, PathMeter
from rankcast_receiver.state import LinkFacts
from rankcast_receiver.stream import PacketQueue, ReceivedPacket, SenderStreams, read_packet

log = logging.getLogger(__name__)

TICK_S: Final = 0.1
MAX_CAMERAS: Final = 256
"""Most cameras of one connection: their names come from peers, and each one costs a decoder."""
MAX_REQUESTS: Final = 64
"""Most requests of the user that wait to be sent."""
LATE_INTERVAL_S: Final = 1.0
"""As often as viewers report."""
LEAVE_S: Final = 0.3


class NatsInlet:
    """Receives the cameras of one NATS address, see `Inlet`.

    The status of every camera that may be wanted is subscribed to, frames only those of cameras
    whose status has arrived, and of these only the stream that is wanted.

    Parameters
    ----------
    number : int
        Number of the sender in the queue that stands for all of these cameras.
    address : NatsAddress
    nats : NatsOptions
    cameras : sequence of str
        Names of the wanted cameras, ``CAMERA`` or ``SITE.CAMERA``; empty for all.
    streams : SenderStreams
        Made with ``stations=True``.
    options : ConnectionOptions
    queue : PacketQueue
    past : PastOptions, optional

    Raises
    ------
    SettingsError
        As `NatsOptions.check`.
    """

    def __init__(
        self,
        number: int,
        address: NatsAddress,
        nats: NatsOptions,
        cameras: Sequence[str],
        streams: SenderStreams,
        options: ConnectionOptions,
        queue: PacketQueue,
        past: PastOptions = PastOptions(),  # noqa: B008 - frozen
    ) -> None:
        nats.check(address)
        self._foreign_messages = 0
        self._number = number
        self._wanted = Wanted(cameras, nats.site)
        self._streams = streams
        self._options = options
        self._queue = queue
        self._token = os.urandom(16)
        limits = options.limits
        self._assembler = Assembler(limits.max_packet_bytes, 4 * limits.max_packet_bytes)
        self._replies = Assembler(limits.max_packet_bytes + 65_536, 2 * limits.max_packet_bytes)
        self._watched: dict[str, WatchedCamera] = {}
        self._waiting_requests = 0
        self._given_up = False
        self._path = PathMeter(boot_s())
        self._shortage_log = LogLimiter(60.0)
        self._late_s: float | None = None
        """How late even the quickest message of the last second was."""
        self._next_late_s = 0.0
        self._read_s: float | None = None
        self._thread = LoopThread("nats", self._main, queue.close)
        self._connection = NatsConnection(
            address, nats, "rankcast receive", self._begin_session, on_denied=self._deny,
            buffer_bytes=options.socket.buffer_bytes, speaks=False,
        )  # fmt: skip
        self._renewals = Renewals(
            self._connection, self._path, live=options.live, moves=not past.reads_streams
        )
        ways = Ways(
            JetStream(self._connection), self._deliver, lambda size: queue.has_room(number, size),
            lambda name: queue.oldest_s(number, name),
            self._follow, self._unfollow, self._note_facts, limits,
        )  # fmt: skip
        # A server keeps main streams only.
        fills_gaps = not options.live and streams.main_only
        self._kept = KeptCameras(past, ways, fills_gaps=fills_gaps)
        streams.on_recorded = self._note_recorded

    @property
    def pulse(self) -> Pulse:
        """Pulse of the thread."""
        return self._thread.pulse

    @property
    def foreign_messages(self) -> int:
        """Messages that are no packets, of no wanted camera, or parts of nothing; any thread."""
        stray = self._assembler.stray + self._replies.stray
        return self._foreign_messages + stray + self._kept.foreign_messages

    @property
    def reconnects(self) -> int:
        """Connections after the first one; from any thread."""
        return max(0, self._connection.state.sessions - 1)

    def control_endpoint(self, sender: int) -> str | None:  # noqa: ARG002 - there is one
        """Return the address of the server, through which requests go, while it is connected."""
        up = self._connection.state.link is LinkState.UP
        return str(self._connection.address) if up else None

    def curves(self, sender: int) -> Sequence[CurveClient]:  # noqa: ARG002
        """Return no keys: those of a NATS server are of another kind."""
        return ()

    def start(self) -> None:
        """Start the thread, which connects for as long as it runs."""
        self._thread.start()

    def check(self) -> None:
        """Raise if nothing will be received any more.

        Raises
        ------
        WorkerError
            If the thread was stopped, or has failed.
        """
        if self._thread.stopped:
            raise WorkerError("the receiver is closed: no further packets arrive")
        if isinstance(self._thread.error, SettingsError | NameTakenError):
            raise self._thread.error
        self._thread.check()

    def ask(self, sender: int, request: ControlRequest) -> ControlRequest:  # noqa: ARG002
        """Send a request for a camera, named ``SITE.CAMERA``; from any thread."""
        if self._waiting_requests >= MAX_REQUESTS:
            return request.fail(f"{MAX_REQUESTS} requests are waiting already: try again later")
        self._waiting_requests += 1
        if self._thread.stopped or not self._thread.call(self._send_request, request):
            self._waiting_requests -= 1
            return request.fail("the receiver is closed")
        return request

    def give_up(self, sender: int) -> None:  # noqa: ARG002 - there is one
        """Leave all cameras for good; from any thread."""
        self._given_up = True

    def stop(self) -> None:
        """End the thread; may be called twice.

        Raises
        ------
        BaseException
            The exception that ended the thread.
        """
        self._thread.stop()
        self._thread.join()

    # The methods below run in the event loop.

    async def _main(self) -> None:
        stop = asyncio.Event()
        connection = asyncio.ensure_future(self._connection.run(stop))
        stopping = asyncio.ensure_future(self._thread.stopping.wait())
        try:
            while not (connection.done() or stopping.done()):
                await asyncio.wait(
                    [connection, stopping], timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED
                )
                await self._turn()
            for camera in self._watched.values():
                camera.leave()
                camera.requests.close()
            await self._kept.end_session()
            await self._connection.drain(LEAVE_S)
        except RankcastError:
            # Other recorders that wait for the names of the other cameras get them at once.
            await self._kept.end_session()
            raise
        finally:
            stopping.cancel()
            stop.set()
            await connection

    async def _begin_session(self) -> None:
        connection = self._connection
        self._assembler.clear()
        self._replies.clear()
        self._path.restart(boot_s())
        for camera in self._watched.values():
            camera.begin_session(connection.state.sessions)
        self._queue.forget(self._number, self._streams.streams)
        await connection.subscribe(f"{connection.inbox}.>", self._take_reply)
        for subject in self._wanted.status_subjects:
            await connection.subscribe(subject, self._take)
        for name in self._wanted.named:
            self._watch(name)
        await self._kept.begin_session(first=connection.state.sessions <= 1)
        await self._follow_wanted()
        self._kept.find(self._wanted.site, self._watch_found)

    async def _turn(self) -> None:
        """Do what is due ten times a second."""
        now_s = boot_s()
        if now_s >= self._next_late_s:
            self._late_s, self._next_late_s = self._path.take_late_s(), now_s + LATE_INTERVAL_S
        if self._given_up:
            for camera in self._watched.values():
                camera.leave()
                await camera.follow_only(())
            self._watched.clear()
        if self._connection.is_up:
            await self._follow_wanted()
        streams, choices = self._streams.streams, self._streams.choices
        for name, camera in list(self._watched.items()):
            camera.tick(streams.get(name), choices.get(name), now_s, self._late_s)
        await self._kept.tick(now_s)
        self._renewals.tick(now_s, ended=all(stream.ended for stream in streams.values()))
        if self._path.tick(now_s) and self._shortage_log.may_log():
            log.warning("%s: %s", self._connection.address, self._path.shortage)
        self._read_s = now_s
        self._note_facts()

    async def _follow_wanted(self) -> None:
        """Subscribe to the frames of the streams that are wanted by now."""
        choices = self._streams.choices
        for name, camera in list(self._watched.items()):
            choice = choices.get(name)
            if choice is not None:
                await camera.follow_only(choice.subscribed)
            elif self._kept.wants_live(name):
                await camera.follow()

    async def _follow(self, name: str) -> None:
        if self._connection.is_up:
            await self._watched[name].follow()

    async def _unfollow(self, name: str) -> None:
        await self._watched[name].unfollow()

    def _watch_found(self, name: str) -> None:
        has_room = len(self._watched) < MAX_CAMERAS
        if name not in self._watched and has_room and split_name(name) in self._wanted:
            self._watch(name)

    def _watch(self, name: str) -> WatchedCamera:
        camera = self._watched.get(name)
        if camera is None:
            site, of_sender = split_name(name)
            client = CameraClient(
                site, of_sender, lambda subject, data: self._ask(name, subject, data),
                self._options.limits,
            )  # fmt: skip
            camera = self._watched[name] = WatchedCamera(
                name, client, self._streams.clocks.of(name), self._token,
                lambda subject: self._connection.subscribe(subject, self._take),
                reports=self._options.control,
            )  # fmt: skip
            client.sessions = self._connection.state.sessions
            self._streams.note_cameras([name])
            self._kept.add(name)
        return camera

    def _take(self, message: Message) -> None:
        """Take one message of a camera."""
        if self._given_up:
            return
        now_s = boot_s()
        try:
            subject = parse_subject(message.subject)
            name = self._known(subject)
            data = self._assembler.take(message.subject, message.data)
        except WireError as exc:
            self._foreign_messages += 1
            log.debug("ignored a message: %s", exc)
            return
        if data is None:
            return
        limits = self._options.limits
        received = read_packet(subject.stream_name, subject.channel, data, limits, now_s)
        is_followed = self._watched[name].follows(subject.stream)
        if received.packet is None and not is_followed:
            self._foreign_messages += 1  # of a camera that is followed, the decoder counts it
            log.debug("ignored a message: %s", received.error)
            return
        self._note(self._streams.place(received), len(data), now_s)
        if subject.stream == MAIN and self._kept.hold(name, received):
            return
        # Before its frames are subscribed to, a status would count them as lost. Where a stream is
        # chosen, the status of the main one says which there are, and counts only while it is it.
        if is_followed or not self._streams.main_only:
            self._deliver(received)

    def _deliver(self, received: ReceivedPacket) -> ReceivedPacket:
        """Hand a packet, live or of a stream, to the decoder."""
        placed = self._streams.place(received)
        self._queue.put(self._number, placed)
        return placed

    def _note_recorded(self, name: str, header: Header) -> None:
        """Note that a packet is in the recording; from any thread."""
        self._thread.call(self._kept.recorded, name, key_of(header))

    def _known(self, subject: Subject) -> str:
        """Return the name of a wanted camera, which is watched from now on.

        Raises
        ------
        WireError
            If it is none, or one too many.
        """
        name = subject.name
        if name not in self._watched:
            if (subject.site, subject.camera) not in self._wanted:
                raise WireError(f"got camera {name}, which was not asked for")
            if len(self._watched) >= MAX_CAMERAS:
                raise WireError(f"got camera {name} after {MAX_CAMERAS} others")
            self._watch(name)
        return name

    def _note(self, received: ReceivedPacket, size: int, now_s: float) -> None:
        # On arrival: time spent queued for the decoder is not transit time.
        self._path.hear(received, size, now_s)
        self._renewals.heard_s = now_s
        clock = self._streams.clock_of(received.camera)
        if received.packet is not None:
            t_mono_ns, t_utc_ns = received.sender_times()
            clock.hear(t_mono_ns, t_utc_ns, boot_ns(), time.time_ns())
        if (status := received.status) is not None:
            clock.vouch(status.clock_synchronised, status.clock_error_ms)

    def _take_reply(self, message: Message) -> None:
        """Take the reply to a request: the camera stands in its subject."""
        name = message.subject.removeprefix(f"{self._connection.inbox}.")
        camera = self._watched.get(name)
        if camera is None:
            self._foreign_messages += 1
            return
        if message.unanswered:
            camera.client.note_unanswered()
            return
        try:
            data = self._replies.take(message.subject, message.data)
        except WireError as exc:
            self._foreign_messages += 1
            log.debug("ignored a reply: %s", exc)
            return
        if data is not None:
            camera.client.take(data)

    def _ask(self, name: str, subject: str, data: bytes) -> bool:
        reply = f"{self._connection.inbox}.{name}"
        return self._connection.publish_soon(subject, data, reply)

    def _deny(self, subject: str, text: str) -> None:
        for camera in self._watched.values():
            if subject == control_subject(*split_name(camera.name), "set"):
                camera.requests.fail_requests(text)

    def _send_request(self, request: ControlRequest) -> None:
        self._waiting_requests -= 1
        camera = self._watched.get(split_stream_name(request.camera)[0])
        if camera is None:
            request.fail(f"there is no camera {request.camera}")
        else:
            camera.requests.request(request)

    def _note_facts(self) -> None:
        self._queue.note_links([self._facts()], self._number)

    def _facts(self) -> LinkFacts:
        state = self._connection.state
        absent = frozenset(name for name, camera in self._watched.items() if camera.client.absent)
        return LinkFacts(
            state.link,
            boot_s() - state.since_s,
            state.sessions > 0,
            state.detail,
            None,
            self._read_s,
            self._path.shortage,
            at_server=True,
            absent=absent,
            behind=self._kept.behind,
            waits=self._kept.waits,
            catches_up=self._kept.catches_up,
        )
