"""Jpegs: makes each JPEG once, however many clients want it, and none that nobody wants."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import anyio
import anyio.to_thread

from rankcast.errors import RankcastError
from rankcast.frame import Frame
from rankcast.runtime import LogLimiter
from rankcast_receiver.web.pictures.jpeg_piece import (
    PAGE_QUALITY,
    JpegPiece,
    encode_jpeg,
    jpeg_message,
)
from rankcast_receiver.web.pictures.newest_pictures import NewestPictures

log = logging.getLogger(__name__)

MOST_KEPT: Final = 64
MOST_KEPT_BYTES: Final = 64 << 20
"""JPEGs of the newest pictures that are kept for the next client, of all cameras and qualities."""
MOST_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class Jpeg:
    """A picture and its JPEG."""

    frame: Frame
    data: bytes


class Jpegs:
    """Makes JPEGs of the newest pictures, in threads.

    Parameters
    ----------
    newest : NewestPictures
    """

    def __init__(self, newest: NewestPictures) -> None:
        self._newest = newest
        self._made: OrderedDict[tuple[str, int], tuple[Frame, asyncio.Task[Jpeg]]] = OrderedDict()
        self._pieces: dict[str, tuple[Frame, JpegPiece]] = {}
        self._limiter: anyio.CapacityLimiter | None = None
        self._log_limiter = LogLimiter()

    async def get(self, camera: str, quality: int) -> Jpeg | None:
        """Return the newest picture as JPEG; None before there is one.

        Raises
        ------
        RankcastError
            If the picture cannot be coded.
        """
        frame = self._newest.get(camera)
        if frame is None:
            return None
        key = (camera, quality)
        made = self._made.get(key)
        if made is None or made[0] is not frame:
            made = frame, asyncio.create_task(self._make(frame, quality))
            self._made[key] = made
        self._made.move_to_end(key)
        self._drop_oldest()
        # A client that leaves must not take it from the others.
        return await asyncio.shield(made[1])

    def pictures_of(self) -> Collection[str]:
        """Return none: whoever wants a JPEG needs the picture."""
        return ()

    def note_picture(self, camera: str) -> None:
        """Drop what was made of older pictures of a camera, and with it those pictures."""
        newest = self._newest.get(camera)
        for key in [key for key, made in self._made.items() if key[0] == camera]:
            if self._made[key][0] is not newest:
                del self._made[key]
        kept = self._pieces.get(camera)
        if kept is not None and kept[0] is not newest:
            del self._pieces[camera]

    async def piece(self, camera: str) -> JpegPiece | None:
        """Return the newest picture as the message for pages; None if there is none."""
        try:
            jpeg = await self.get(camera, PAGE_QUALITY)
        except RankcastError as exc:
            if self._log_limiter.may_log():
                log.warning("%s: no JPEG: %s", camera, exc)
            return None
        if jpeg is None:
            return None
        kept = self._pieces.get(camera)
        if kept is not None and kept[0] is jpeg.frame:
            return kept[1]
        piece = JpegPiece(jpeg_message(jpeg.frame, jpeg.data), jpeg.frame.sequence)
        if self._newest.get(camera) is jpeg.frame:
            self._pieces[camera] = jpeg.frame, piece
        return piece

    @property
    def threads(self) -> anyio.CapacityLimiter:
        """How many JPEGs are made at once."""
        if self._limiter is None:  # made in the event loop
            self._limiter = anyio.CapacityLimiter(MOST_THREADS)
        return self._limiter

    def _drop_oldest(self) -> None:
        while len(self._made) > 1 and (
            len(self._made) > MOST_KEPT
            or sum(_size(*made) for made in self._made.values()) > MOST_KEPT_BYTES
        ):
            self._made.popitem(last=False)

    async def _make(self, frame: Frame, quality: int) -> Jpeg:
        data = await anyio.to_thread.run_sync(encode_jpeg, frame, quality, limiter=self.threads)
        return Jpeg(frame, data)


def _size(frame: Frame, making: asyncio.Task[Jpeg]) -> int:
    """Return the bytes of a JPEG; those of its picture while it is being made, or cannot be."""
    if not making.done() or making.cancelled() or making.exception() is not None:
        return frame.pixels.nbytes
    return len(making.result().data)
