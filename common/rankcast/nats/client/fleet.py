"""The fleet: every camera of every site at a NATS server, from what their senders publish."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.errors import NoStreamError, WireError
from rankcast.nats.address import NatsAddress
from rankcast.nats.client.connection import NatsConnection
from rankcast.nats.client.loop_thread import LoopThread
from rankcast.nats.client.message import Message
from rankcast.nats.options import NatsOptions
from rankcast.nats.parts import Assembler
from rankcast.nats.subjects import ANY, STATUS, parse_subject, subject_of
from rankcast.net import LinkState
from rankcast.wire import Limits, Status, parse_status, unpack

STATUS_LIMITS: Final = Limits(max_packet_bytes=128 * 1024)
MAX_CAMERAS: Final = 10_000
POLL_S: Final = 0.05
CONNECT_S: Final = 4.0


@dataclass(frozen=True, slots=True)
class FleetCamera:
    """One camera of one site."""

    site: str
    camera: str
    status: Status


class _Listing:
    """Collects the latest status of each camera."""

    def __init__(self, address: NatsAddress, options: NatsOptions, seconds: float) -> None:
        self.cameras: dict[tuple[str, str], FleetCamera] = {}
        self.refused = 0
        self.left_off = 0
        self._site = options.site or ANY
        self._seconds = seconds
        self._assembler = Assembler(STATUS_LIMITS.max_packet_bytes, 4 * 1024 * 1024)
        self.thread = LoopThread("nats", self._main)
        self.connection = NatsConnection(
            address, options, "rankcast find", self._subscribe, speaks=False
        )

    async def _main(self) -> None:
        stop = asyncio.Event()
        run = asyncio.ensure_future(self.connection.run(stop))
        try:
            began_s = boot_s()
            while not (run.done() or self.thread.stopping.is_set()):
                state = self.connection.state
                # A status comes every second, so that those of a second are all of them.
                up_s = boot_s() - state.since_s if state.link is LinkState.UP else 0.0
                if up_s >= self._seconds or (not up_s and boot_s() - began_s > CONNECT_S):
                    break
                if state.link in (LinkState.KEY_REFUSED, LinkState.PROTOCOL_REFUSED):
                    break
                await asyncio.wait([run], timeout=POLL_S)
        finally:
            stop.set()
            await run

    async def _subscribe(self) -> None:
        await self.connection.subscribe(subject_of(self._site, ANY, STATUS), self._take)

    def _take(self, message: Message) -> None:
        try:
            subject = parse_subject(message.subject)
            data = self._assembler.take(message.subject, message.data)
            if data is None:
                return
            status = parse_status(unpack(data, STATUS_LIMITS))
        except WireError:
            self.refused += 1
            return
        key = subject.site, subject.camera
        if key not in self.cameras and len(self.cameras) >= MAX_CAMERAS:
            self.left_off += 1
            return
        self.cameras[key] = FleetCamera(*key, status)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Result of one listing."""

    cameras: tuple[FleetCamera, ...]
    """In the order of their sites and names."""
    refused: int
    """Messages that are no status."""
    left_off: int
    """Status messages of cameras beyond `MAX_CAMERAS`."""


def list_fleet(address: NatsAddress, options: NatsOptions, seconds: float) -> Fleet:
    """Listen for `seconds` to what the senders at a NATS server publish of their cameras.

    Raises
    ------
    NoStreamError
        If the server cannot be reached, or refuses this user.
    SettingsError
        As `NatsOptions.check`.
    """
    options.check(address)
    listing = _Listing(address, options, seconds)
    listing.thread.start()
    try:
        listing.thread.join(seconds + 4 * CONNECT_S)
    except BaseException:
        listing.thread.stop()
        listing.thread.join()
        raise
    state = listing.connection.state
    if not state.sessions or (state.detail and not listing.cameras):
        raise NoStreamError(state.detail or f"no NATS server answered at {address}")
    cameras = tuple(camera for _, camera in sorted(listing.cameras.items()))
    return Fleet(cameras, listing.refused, listing.left_off)
