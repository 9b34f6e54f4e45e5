"""Hub: only cameras that the receiver has cost it something, whatever pages ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from rankcast.wire import Limits
from rankcast_receiver.stream import CameraStream, StreamOptions
from rankcast_receiver.web.camera_board import CameraBoard
from rankcast_receiver.web.live import Hub, Inbox
from rankcast_receiver.web.live.flow import CameraFlow, Load
from rankcast_receiver.web.live.hub import MOST_CAMERAS, TICK_S
from rankcast_receiver.web.receiver_view import ReceiverView
from support.clock import Clock
from support.web_packets import PacketMaker, message_of


class Page:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.dropped: list[CameraFlow] = []
        self.needed: tuple[str, ...] = ()

    def pictures_of(self) -> tuple[str, ...]:
        return self.needed

    def note_picture(self, camera: str) -> None: ...

    def wake(self) -> None: ...

    def note_cameras(self, text: str) -> None: ...

    def drop(self, flow: CameraFlow) -> None:
        self.dropped.append(flow)


class Station:
    """A hub before a receiver without processes."""

    def __init__(self) -> None:
        self.streams: dict[str, Any] = {}
        view = ReceiverView(
            states=lambda: (), streams=lambda: self.streams,
            want_keyframe=lambda _camera, _wanted: None, control_address=lambda _: None,
            ask=lambda *_: None, limits=Limits(),  # type: ignore[arg-type,return-value]
        )  # fmt: skip
        self.inbox = Inbox()
        self.hub = Hub(view, CameraBoard(view), self.inbox)

    async def put_key_frame(self) -> None:
        packet = PacketMaker().key()
        self.inbox.put_packet(packet, message_of(packet))
        await self.until(lambda: self.hub.rates("cam", 0.0) is not None)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                await asyncio.sleep(0.01)

    def run(self, act: Callable[[], Any]) -> None:
        """Carry out `act` while the hub runs."""

        async def both() -> None:
            running = asyncio.create_task(self.hub.run())
            await asyncio.sleep(0)
            try:
                await act()
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

        asyncio.run(both())


def test_names_that_no_camera_has_keep_no_camera_from_its_viewers() -> None:
    station = Station()

    async def act() -> None:
        for number in range(2 * MOST_CAMERAS):
            assert station.hub.watch(Page(), f"none-{number}", Load()) is None
        station.streams["cam"] = None
        await station.put_key_frame()
        flow = station.hub.watch(Page(), "cam", Load())
        assert flow is not None
        assert flow.waits

    station.run(act)


def test_a_camera_that_is_gone_is_forgotten_and_may_come_again() -> None:
    station, page = Station(), Page()

    async def act() -> None:
        station.streams["cam"] = None
        await station.put_key_frame()
        flow = station.hub.watch(page, "cam", Load())
        del station.streams["cam"]
        await station.until(lambda: page.dropped == [flow])
        assert station.hub.rates("cam", 0.0) is None
        assert flow is not None
        station.hub.unwatch(flow)  # the page may leave just then
        station.streams["cam"] = None
        await station.put_key_frame()
        assert station.hub.watch(page, "cam", Load()) is not None

    station.run(act)


def test_who_shows_decoded_pictures_has_their_camera_decoded_until_it_leaves() -> None:
    station, page, clock = Station(), Page(), Clock()
    stream = CameraStream("cam", StreamOptions(on_demand=True), now_s=clock)

    async def act() -> None:
        station.streams["cam"] = stream
        page.needed = ("cam", "none")
        station.hub.join_pictures(page)
        await station.until(lambda: stream.demand.wanted)
        clock.advance(60)
        await station.until(lambda: stream.demand.wanted)
        station.hub.leave_pictures(page)
        clock.advance(60)
        await asyncio.sleep(3 * TICK_S)  # what must not happen cannot be waited for
        assert not stream.demand.wanted

    station.run(act)
