"""Hub: forwards packets, pictures and states of the cameras to all pages, in the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Container
from functools import partial
from typing import Final, Protocol

from rankcast.boot_clock import boot_s
from rankcast_receiver.web.camera_board import CameraBoard
from rankcast_receiver.web.json_text import json_text
from rankcast_receiver.web.live.feed import CameraFeed, Rates
from rankcast_receiver.web.live.flow import CameraFlow, Load
from rankcast_receiver.web.live.inbox import Inbox
from rankcast_receiver.web.live.start_wish import StartWish
from rankcast_receiver.web.receiver_view import ReceiverView

TICK_S: Final = 0.1
CAMERAS_S: Final = 0.5
MOST_CAMERAS: Final = 1024
"""64 of each of 16 senders."""


class PictureViewer(Protocol):
    """What shows decoded pictures."""

    def pictures_of(self) -> Collection[str]:
        """Return the cameras whose decoded pictures it needs now."""

    def note_picture(self, camera: str) -> None:
        """Note that a camera has a new picture."""


class Page(PictureViewer, Protocol):
    """What the hub tells a page."""

    def wake(self) -> None:
        """Send what waits in the flows."""

    def note_cameras(self, text: str) -> None:
        """Send the list of cameras; a newer one replaces it. Watch those that are there now."""

    def drop(self, flow: CameraFlow) -> None:
        """Forget a flow: its camera is gone."""


class _Channel:
    """A camera, and the pages that get its packets."""

    def __init__(self, feed: CameraFeed, wish: StartWish) -> None:
        self.feed, self.wish = feed, wish
        self.flows: dict[CameraFlow, Page] = {}


class Hub:
    """Connects cameras and pages; used in the event loop alone, but for the inbox.

    Parameters
    ----------
    view : ReceiverView
    board : CameraBoard
        Describes the cameras.
    inbox : Inbox
    """

    def __init__(self, view: ReceiverView, board: CameraBoard, inbox: Inbox) -> None:
        self._view, self._board, self._inbox = view, board, inbox
        self._channels: dict[str, _Channel] = {}
        self._pages: set[Page] = set()
        self._viewers: set[PictureViewer] = set()
        self.cameras_text = ""
        """The latest list of cameras, as a message."""

    async def run(self) -> None:
        """Forward packets, pictures and states to the pages, until cancelled."""
        self._inbox.open()
        both = [asyncio.create_task(self._forward()), asyncio.create_task(self._tell())]
        try:
            ended, _ = await asyncio.wait(both, return_when=asyncio.FIRST_EXCEPTION)
            for task in ended:
                task.result()  # its failure as it is, not in a group
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    def join(self, page: Page) -> None:
        """Add a page."""
        self._pages.add(page)
        self._viewers.add(page)

    def leave(self, page: Page) -> None:
        """Remove a page and all that it watches."""
        self._pages.discard(page)
        self._viewers.discard(page)
        for channel in self._channels.values():
            for flow in [flow for flow, of in channel.flows.items() if of is page]:
                flow.fall_out()
                self._remove(channel, flow)

    def join_pictures(self, viewer: PictureViewer) -> None:
        """Tell a viewer of each new picture."""
        self._viewers.add(viewer)

    def leave_pictures(self, viewer: PictureViewer) -> None:
        """Tell a viewer no longer."""
        self._viewers.discard(viewer)

    def watch(self, page: Page, camera: str, load: Load) -> CameraFlow | None:
        """Begin to send the packets of a camera to a page; None while there is no such camera."""
        channel = self._channel(camera)
        if channel is None:
            return None
        flow = CameraFlow(channel.feed, load, partial(self._wish, channel))
        channel.flows[flow] = page
        flow.resume(boot_s())
        return flow

    def unwatch(self, flow: CameraFlow) -> None:
        """Send the packets of a camera to a page no longer."""
        channel = self._channels.get(flow.camera)
        if channel is not None and flow in channel.flows:
            self._remove(channel, flow)

    def rates(self, camera: str, now_s: float) -> Rates | None:
        """Return what came of a camera within the last second; None if nothing ever came."""
        channel = self._channels.get(camera)
        return None if channel is None else channel.feed.rates(now_s)

    def known(self) -> Container[str]:
        """Return the names of the cameras that the receiver has."""
        return self._view.streams().keys()

    async def _forward(self) -> None:
        while True:
            packets, pictures = await self._inbox.take()
            now_s = boot_s()
            woken: set[Page] = set()
            for packet, message in packets:
                channel = self._channel(packet.camera)
                if channel is None:
                    continue
                piece = channel.feed.add(packet, message, now_s)
                if piece is None:
                    for flow in channel.flows:
                        flow.fall_out()
                    continue
                if piece.starts:
                    channel.wish.fulfilled()
                for flow, page in channel.flows.items():
                    flow.offer(piece, now_s)
                    if flow.waits:
                        woken.add(page)
            for page in woken:
                page.wake()
            for camera in pictures:
                for viewer in self._viewers:
                    viewer.note_picture(camera)

    async def _tell(self) -> None:
        told_s, told = float("-inf"), None
        while True:
            await asyncio.sleep(TICK_S)
            self._drop_gone()
            for camera in {name for viewer in self._viewers for name in viewer.pictures_of()}:
                self._view.want_pixels(camera)
            if not self._pages:
                continue
            now_s = boot_s()
            states = self._board.summary()
            if states == told and now_s - told_s < CAMERAS_S:
                continue
            told_s, told = now_s, states
            self.cameras_text = self.list_cameras()
            for page in self._pages:
                page.note_cameras(self.cameras_text)

    def list_cameras(self) -> str:
        """Return the list of cameras as a message."""
        return json_text({"type": "cameras", "cameras": self._board.cameras(self.rates)})

    def _channel(self, camera: str) -> _Channel | None:
        channel = self._channels.get(camera)
        if channel is None and len(self._channels) < MOST_CAMERAS and camera in self.known():
            wish = StartWish(
                partial(self._view.want_keyframe, camera),
                partial(self._view.want_reference, camera),
            )
            channel = self._channels[camera] = _Channel(CameraFeed(camera), wish)
        return channel

    def _drop_gone(self) -> None:
        known = self.known()
        for camera in [camera for camera in self._channels if camera not in known]:
            channel = self._channels.pop(camera)
            for flow, page in channel.flows.items():
                flow.fall_out()
                page.drop(flow)
            channel.wish.fulfilled()

    def _wish(self, channel: _Channel, ask_sender: bool) -> None:
        channel.wish.wish(ask_sender=ask_sender)

    def _remove(self, channel: _Channel, flow: CameraFlow) -> None:
        del channel.flows[flow]
        if all(other.in_step for other in channel.flows):
            channel.wish.fulfilled()
