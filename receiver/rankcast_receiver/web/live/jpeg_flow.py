"""JpegFlow: the newest picture of one camera, as JPEG, on the way to one page."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from rankcast_receiver.web.live.flow import Load
from rankcast_receiver.web.pictures import JpegPiece

MOST_ON_WAY: Final = 3
GIVEN_UP_S: Final = 5.0
"""A picture that was not acknowledged for this long never will be."""


class JpegSource(Protocol):
    """Makes pictures."""

    async def piece(self, camera: str) -> JpegPiece | None:
        """Return the newest picture of a camera; None before there is one."""


class JpegFlow:
    """Has the next picture made once the page has room for it.

    Parameters
    ----------
    camera : str
    source : JpegSource
    load : Load
        Shared by the cameras of the page.
    wake : callable
        Called when a picture waits.
    """

    form: Final = "jpeg"

    def __init__(
        self, camera: str, source: JpegSource, load: Load, wake: Callable[[], object]
    ) -> None:
        self.camera = camera
        self.skipped = 0
        self._source, self._load, self._wake = source, load, wake
        self._piece: JpegPiece | None = None
        self._on_way: deque[tuple[int, float]] = deque()
        self._making: asyncio.Task[None] | None = None
        self._missed = 0
        self._ended = False

    @property
    def waits(self) -> bool:
        """True while a picture waits for the socket."""
        return self._piece is not None

    def note_picture(self, now_s: float) -> None:
        """Note that the camera has a new picture."""
        self._missed += 1
        self.resume(now_s)

    def fall_out(self) -> None:
        """Drop what waits, for good: the page watches this camera no longer."""
        self._ended = True
        if self._piece is not None:
            self._load.bytes -= len(self._piece.message)
            self._piece = None

    def take(self) -> JpegPiece:
        """Return the picture for the socket."""
        piece, self._piece = self._piece, None
        assert piece is not None
        return piece

    def acknowledge(self, sequence: int, now_s: float) -> None:
        """Note that the page has shown a picture."""
        for place, (sent, _) in enumerate(self._on_way):
            if sent == sequence:
                for _ in range(place + 1):
                    self._on_way.popleft()
                break
        self.resume(now_s)

    def restart(self, now_s: float) -> None:
        """Forget what was not acknowledged."""
        self._on_way.clear()
        self.resume(now_s)

    def resume(self, now_s: float) -> None:
        """Have the next picture made, if there is one and the page has room."""
        while self._on_way and now_s - self._on_way[0][1] > GIVEN_UP_S:
            self._on_way.popleft()
        if not self._missed or self._piece or self._making or len(self._on_way) >= MOST_ON_WAY:
            return
        self._making = asyncio.create_task(self._make(now_s))

    async def _make(self, now_s: float) -> None:
        try:
            missed, self._missed = self._missed, 0
            piece = await self._source.piece(self.camera)
        finally:
            self._making = None
        if piece is None or self._ended:
            return
        self.skipped += missed - 1
        self._piece = piece
        self._load.bytes += len(piece.message)
        self._on_way.append((piece.sequence, now_s))
        self._wake()
