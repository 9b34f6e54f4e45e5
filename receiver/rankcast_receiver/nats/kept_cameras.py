"""KeptCameras: the cameras of one server that come from its streams at present."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import replace

from rankcast.boot_clock import boot_s
from rankcast.errors import NoStreamError, StoreError, WireError
from rankcast.nats import ANY, FRAMES, PastOptions, parse_subject, subject_of
from rankcast_receiver.nats.acknowledgements import PacketKey
from rankcast_receiver.nats.kept_camera import KeptCamera, Ways
from rankcast_receiver.stream import ReceivedPacket

log = logging.getLogger(__name__)


class KeptCameras:
    """Reads cameras from streams: from the start, or to catch up after an outage.

    Parameters
    ----------
    options : PastOptions
    ways : Ways
    fills_gaps : bool
        Every frame is wanted: what was published while the connection was away is read from the
        stream, where there is one.
    """

    def __init__(self, options: PastOptions, ways: Ways, *, fills_gaps: bool) -> None:
        self._options = options
        self._ways = ways
        self._fills_gaps = fills_gaps
        self._recorder = secrets.token_hex(4)
        self._cameras: dict[str, KeptCamera] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._finding: asyncio.Task[None] | None = None
        self._heard_s: dict[str, float] = {}

    @property
    def foreign_messages(self) -> int:
        """Messages of streams that are no packets; from any thread."""
        return sum(camera.foreign for camera in list(self._cameras.values()))

    @property
    def behind(self) -> dict[str, str]:
        """How far behind the present each camera is; those in the present are left out."""
        found = {name: camera.behind for name, camera in self._cameras.items()}
        return {name: behind for name, behind in found.items() if behind}

    @property
    def waits(self) -> dict[str, str]:
        """Why cameras are not read yet: another recorder has their durable name."""
        found = {name: camera.waits for name, camera in self._cameras.items()}
        return {name: waits for name, waits in found.items() if waits}

    @property
    def catches_up(self) -> bool:
        """True while packets of a stream are still to come."""
        return any(camera.catches_up for camera in self._cameras.values())

    def wants_live(self, name: str) -> bool:
        """Return True if the live frames of a camera are to be subscribed to."""
        camera = self._cameras.get(name)
        return camera is None or camera.is_live or camera.joined

    def add(self, name: str) -> None:
        """Begin with a camera that was just found."""
        if self._options.reads_streams and name not in self._cameras:
            self._cameras[name] = KeptCamera(
                name, self._options, self._ways, recorder=self._recorder
            )
            self._start(name)

    def hold(self, name: str, received: ReceivedPacket) -> bool:
        """Take a live packet; return False if it goes to the receiver as always."""
        self._heard_s[name] = received.t_received_s
        camera = self._cameras.get(name)
        return camera is not None and camera.hold(received)

    def recorded(self, name: str, key: PacketKey) -> None:
        """Note a packet that is in the recording."""
        camera = self._cameras.get(name)
        if camera is not None:
            camera.recorded(key)

    async def begin_session(self, first: bool) -> None:
        """Go on at a new connection: with the past, or with what was missed meanwhile."""
        await self.end_session()
        if not first and self._fills_gaps and not self._options.durable:
            for name, heard_s in self._heard_s.items():
                camera = self._cameras.get(name)
                if camera is None or camera.is_live:
                    missed = replace(self._options, since=None, speed=0.0)
                    missed_s = boot_s() - heard_s
                    self._cameras[name] = KeptCamera(name, missed, self._ways, missed_s)
        for name, camera in self._cameras.items():
            if not camera.is_live:
                self._start(name)

    async def end_session(self) -> None:
        """End all reading, because the connection has ended."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        if self._finding is not None:
            tasks.append(self._finding)
            self._finding = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def tick(self, now_s: float) -> None:
        """Do what is due ten times a second; raise what a reader failed with."""
        connection = self._ways.jetstream.connection
        for camera in list(self._cameras.values()):
            # Asked each time: the connection may end while another camera joins.
            await camera.tick(now_s, is_up=connection.is_up)
        for name, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[name]
                if not task.cancelled():
                    task.result()
            elif self._cameras[name].is_live:
                task.cancel()

    def find(self, site: str, watch: Callable[[str], object]) -> None:
        """Call `watch`, soon, for each camera that a stream of the server has, live or not."""
        if self._options.reads_streams:
            self._finding = asyncio.ensure_future(self._find(site, watch))

    async def _find(self, site: str, watch: Callable[[str], object]) -> None:
        jetstream, pattern = self._ways.jetstream, subject_of(site, ANY, FRAMES)
        try:
            for stream in await jetstream.names(pattern):
                for subject in await jetstream.subjects(stream, pattern):
                    try:
                        watch(parse_subject(subject).name)
                    except WireError as exc:
                        log.debug("%s: %s", stream, exc)
        except (StoreError, NoStreamError) as exc:
            log.warning("%s: %s", jetstream.connection.address, exc)

    def _start(self, name: str) -> None:
        self._tasks[name] = asyncio.ensure_future(self._cameras[name].run())
