"""The routes of snapshots and MJPEG."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from rankcast.boot_clock import boot_s
from rankcast.errors import ImageFileError, NoStreamError, RankcastError
from rankcast.frame import Frame
from rankcast_receiver.web.camera_board import CameraBoard
from rankcast_receiver.web.control_desk import ControlDesk
from rankcast_receiver.web.live import Hub
from rankcast_receiver.web.pictures import (
    BOUNDARY,
    FORMATS,
    Format,
    Jpegs,
    MjpegStream,
    NewestPictures,
    Snapshot,
    Snapshots,
)
from rankcast_receiver.web.receiver_view import ReceiverView
from rankcast_receiver.web.replies import NO_STORE

DEFAULT_QUALITY: Final = 80
MOST_FPS: Final = 1000.0
DECODE_S: Final = 5.0
"""A snapshot waits for this long where nobody needed the camera decoded before."""
POLL_S: Final = 0.02
"""How often its picture is looked for: it comes from another thread."""


class PictureRoutes:
    """Answers requests for pictures.

    Parameters
    ----------
    view, board, hub, newest, jpegs, snapshots, desk
        See their classes.
    stopping : callable
        True once the server ends.
    """

    def __init__(
        self,
        view: ReceiverView,
        board: CameraBoard,
        hub: Hub,
        newest: NewestPictures,
        jpegs: Jpegs,
        snapshots: Snapshots,
        desk: ControlDesk,
        stopping: Callable[[], bool],
    ) -> None:
        self._view, self._board, self._hub, self._newest = view, board, hub, newest
        self._jpegs, self._snapshots, self._desk = jpegs, snapshots, desk
        self._stopping = stopping

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        camera = "/api/cameras/{name}"
        return [
            Route(f"{camera}/snapshot", self._snapshot, methods=["GET"]),
            Route(f"{camera}/stream.mjpg", self._mjpeg, methods=["GET"]),
        ]

    async def _snapshot(self, request: Request) -> Response:
        camera = self._camera(request)
        form = _format(request)
        original = request.query_params.get("original", "0")
        if original not in ("0", "1"):
            raise HTTPException(400, f"original is {original!a:.40}, want 0 or 1")
        try:
            if original == "1":
                shot = await self._original(camera, form)
            else:
                shot = await self._snapshots.of_frame(await self._picture(camera), form)
        except ImageFileError as exc:
            raise HTTPException(400, f"{exc}: another format may hold it") from exc
        headers = {
            **NO_STORE,
            **shot.facts,
            "Content-Disposition": f'inline; filename="{shot.file_name}"',
        }
        return Response(shot.data, media_type=shot.media_type, headers=headers)

    async def _original(self, camera: str, form: Format) -> Snapshot:
        try:
            packet = await self._desk.original(camera)
            return await self._snapshots.of_original(packet, camera, form)
        except NoStreamError as exc:
            raise HTTPException(504, str(exc)) from exc
        except ImageFileError:
            raise
        except RankcastError as exc:
            raise HTTPException(502, str(exc)) from exc

    async def _mjpeg(self, request: Request) -> Response:
        camera = self._camera(request)
        quality = _number(request, "quality", DEFAULT_QUALITY, 1, 100)
        fps = _number(request, "fps", math.inf, 0.01, MOST_FPS)
        if quality != round(quality):
            raise HTTPException(400, "quality is a whole number")
        self._check_picture(camera)
        headers = {**NO_STORE, "Content-Type": f"multipart/x-mixed-replace; boundary={BOUNDARY}"}
        if request.method == "HEAD":
            return Response(headers=headers)
        stream = MjpegStream(
            camera,
            self._jpegs,
            lambda: self._board.state(camera),
            self._stopping,
            quality=round(quality),
            fps=None if math.isinf(fps) else fps,
        )
        return StreamingResponse(self._parts(stream), headers=headers)

    async def _parts(self, stream: MjpegStream) -> AsyncIterator[bytes]:
        self._hub.join_pictures(stream)
        try:
            async for part in stream.parts():
                yield part
        finally:
            self._hub.leave_pictures(stream)

    def _camera(self, request: Request) -> str:
        camera: str = request.path_params["name"]
        if self._board.state(camera) is None:
            raise HTTPException(404, "there is no camera of this name")
        return camera

    async def _picture(self, camera: str) -> Frame:
        """Return the newest picture, once it is decoded."""
        self._check_picture(camera)
        until_s = boot_s() + DECODE_S
        while (frame := self._newest.get(camera)) is None:
            if boot_s() > until_s or self._stopping():
                raise HTTPException(504, self._why_not_decoded(camera))
            self._view.want_pixels(camera)
            await asyncio.sleep(POLL_S)
        return frame

    def _why_not_decoded(self, camera: str) -> str:
        stream = self._view.streams().get(camera)
        why = "the sender sent no key frame, and too many packets came since the last one"
        if stream is not None and stream.refusal:
            why = f"its packets are refused: {stream.refusal}"
        return f"the newest picture could not be decoded within {DECODE_S:g} s: {why}"

    def _check_picture(self, camera: str) -> None:
        stream = self._view.streams().get(camera)
        if stream is None or stream.newest is None:
            raise HTTPException(503, "there is no picture of this camera yet")


def _format(request: Request) -> Format:
    given = request.query_params.get("format", "png")
    for form in FORMATS:
        if form == given:
            return form
    raise HTTPException(400, f"format is {given!a:.40}, want {', '.join(FORMATS)}")


def _number(request: Request, name: str, default: float, low: float, high: float) -> float:
    given = request.query_params.get(name)
    if given is None:
        return default
    try:
        number = float(given)
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise HTTPException(400, f"{name} is {given!a:.40}, want {low:g} to {high:g}")
    return number
