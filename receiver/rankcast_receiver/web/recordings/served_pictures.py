"""ServedPictures: pictures of a recording that one page gets as JPEG, newest first."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import anyio

from rankcast.boot_clock import boot_s
from rankcast.errors import LimitError, RankcastError, UnknownCodecError, UnknownModelError
from rankcast_receiver.web.pictures import JpegPiece
from rankcast_receiver.web.recordings.in_thread import in_thread
from rankcast_receiver.web.recordings.jpeg_maker import JpegMaker
from rankcast_receiver.web.recordings.playback import PlayedPiece

MOST_WAITING: Final = 32
"""Packets of a camera that wait to be decoded, because later ones build on them."""
MOST_WAITING_BYTES: Final = 16 << 20
SHOWN_S: Final = 0.1
"""A camera whose pictures are always late shows one of them this often."""
_LASTING: Final = (UnknownCodecError, UnknownModelError, LimitError)


@dataclass(frozen=True, slots=True)
class _Waiting:
    piece: PlayedPiece
    shown: bool
    """False if it is decoded only because later ones build on it."""
    leads: bool
    """True if it belongs to a jump: playing waits for it."""


class ServedPictures:
    """Decodes what is due in a thread, and skips what is late.

    Parameters
    ----------
    maker : JpegMaker
    places : CapacityLimiter
        A token for each page that the server decodes for, taken with the first packet.
    send : callable
        Sends a picture of a camera.
    tell : callable
        Sends a message.
    changed : callable
        Called when packets were decoded or dropped.

    Notes
    -----
    Used in the event loop. A packet that decodes by itself replaces those of its camera that wait.
    """

    def __init__(
        self,
        maker: JpegMaker,
        places: anyio.CapacityLimiter,
        send: Callable[[str, JpegPiece], Awaitable[None]],
        tell: Callable[[dict[str, Any]], Awaitable[None]],
        changed: Callable[[], object],
    ) -> None:
        self._maker, self._places = maker, places
        self._send, self._tell, self._changed = send, tell, changed
        self._thread = anyio.CapacityLimiter(1)
        self._has_place = False
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._decoded: _Waiting | None = None
        """What is being decoded."""
        self._jumps = 0
        self._broken: set[str] = set()
        """Cameras of which a packet was dropped that later ones build on."""
        self._sent_s: dict[str, float] = {}
        self._refused: dict[str, str] = {}
        """What the page was told last of each camera that does not decode."""
        self._skipped: Counter[str] = Counter()
        self._work = asyncio.Event()

    @property
    def is_busy(self) -> bool:
        """True while something is decoded or waits to be."""
        return self._decoded is not None or bool(self._waiting)

    @property
    def catches_up(self) -> bool:
        """True while the pictures of a jump are not decoded."""
        decoded = self._decoded
        return (decoded is not None and decoded.leads) or any(one.leads for one in self._waiting)

    def has_room(self, piece: PlayedPiece) -> bool:
        """Return whether a packet can wait without another one being dropped for good."""
        if piece.starts or not self._waiting:
            return True
        count = sum(one.piece.camera == piece.camera for one in self._waiting)
        return count < MOST_WAITING and self._bytes + len(piece.message) <= MOST_WAITING_BYTES

    def put(self, piece: PlayedPiece, *, shown: bool, leads: bool) -> None:
        """Decode a packet that is due, and send its picture if it is `shown` and not late."""
        camera = piece.camera
        if piece.starts:
            self._drop(camera)
            self._broken.discard(camera)
        elif not self.has_room(piece):
            self._drop(camera)
            self._broken.add(camera)
        if camera in self._broken:
            self._skipped[camera] += shown
            return
        self._waiting.append(_Waiting(piece, shown, leads))
        self._bytes += len(piece.message)
        self._work.set()

    def jump(self) -> None:
        """Drop everything: the page goes on elsewhere."""
        self._jumps += 1
        self._waiting.clear()
        self._bytes = 0
        self._broken.clear()
        self._sent_s.clear()
        self._refused.clear()

    def take_skipped(self) -> dict[str, int]:
        """Return how many pictures of each camera were skipped since the last call."""
        skipped, self._skipped = self._skipped, Counter()
        return dict(+skipped)

    async def run(self) -> str:
        """Decode and send, until cancelled."""
        while True:
            self._work.clear()
            while self._waiting:
                await self._serve(self._waiting.popleft())
            await self._work.wait()

    def close(self) -> None:
        """Let another page have the place; `run` has ended."""
        if self._has_place:
            self._has_place = False
            self._places.release_on_behalf_of(self)

    async def _serve(self, one: _Waiting) -> None:
        self._bytes -= len(one.piece.message)
        self._decoded = one
        try:
            await self._make(one)
        finally:
            self._decoded = None
            self._changed()

    async def _make(self, one: _Waiting) -> None:
        camera, jumps = one.piece.camera, self._jumps
        if not self._take_place():
            most = int(self._places.total_tokens)
            why = f"it decodes recordings for {most} pages already, close one of them"
            await self._refuse(camera, why, lasting=True)
            return
        wanted = one.shown and self._is_in_time(camera)
        try:
            picture = await in_thread(self._thread, self._maker.make, one.piece, wanted)
        except RankcastError as exc:
            if jumps == self._jumps:
                await self._refuse(camera, str(exc), lasting=isinstance(exc, _LASTING))
            return
        if jumps != self._jumps:
            return
        self._refused.pop(camera, None)
        if picture is not None:
            self._sent_s[camera] = boot_s()
            await self._send(camera, picture)
        else:
            self._skipped[camera] += one.shown

    def _take_place(self) -> bool:
        if not self._has_place:
            try:
                self._places.acquire_on_behalf_of_nowait(self)
            except anyio.WouldBlock:
                return False
            self._has_place = True
        return True

    def _is_in_time(self, camera: str) -> bool:
        """Return whether the next picture of a camera is worth a JPEG."""
        if not any(one.shown and one.piece.camera == camera for one in self._waiting):
            return True
        return boot_s() - self._sent_s.get(camera, float("-inf")) >= SHOWN_S

    async def _refuse(self, camera: str, why: str, *, lasting: bool) -> None:
        """Tell the page why a camera is not shown, once until it is or another reason lasts."""
        known = self._refused.get(camera)
        if known is not None and (known == why or not lasting):
            return
        self._refused[camera] = why
        await self._tell({"type": "refused", "camera": camera, "error": why, "lasting": lasting})

    def _drop(self, camera: str) -> None:
        """Drop what waits of a camera; what would have been shown is skipped."""
        kept: deque[_Waiting] = deque()
        for one in self._waiting:
            if one.piece.camera != camera:
                kept.append(one)
                continue
            self._skipped[camera] += one.shown
            self._bytes -= len(one.piece.message)
        self._waiting = kept
