"""Application: everything that the web address of a receiver answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from rankcast.web import Access, Guard
from rankcast_receiver.web.camera_board import CameraBoard
from rankcast_receiver.web.control_desk import ControlDesk
from rankcast_receiver.web.json_text import json_text
from rankcast_receiver.web.live import Hub, Inbox, LiveSession
from rankcast_receiver.web.login import Login
from rankcast_receiver.web.page_files import page_routes
from rankcast_receiver.web.pictures import Jpegs, NewestPictures
from rankcast_receiver.web.receiver_view import ReceiverView

NO_STORE: Final = {"Cache-Control": "no-store"}


class Application:
    """Routes of docs/web.md, behind a guard.

    Parameters
    ----------
    view : ReceiverView
    inbox : Inbox
    newest : NewestPictures
    access : Access
    control : bool
        Pages may change the senders.
    recordings : Path or None
        Folder of recordings to show.
    routes : sequence of BaseRoute
        Further routes.
    stopping : callable
        True once the server ends.
    """

    def __init__(
        self,
        view: ReceiverView,
        inbox: Inbox,
        newest: NewestPictures,
        access: Access,
        *,
        control: bool,
        recordings: Path | None,
        routes: Sequence[BaseRoute],
        stopping: Callable[[], bool],
    ) -> None:
        self._board = CameraBoard(view, newest)
        self._hub = Hub(view, self._board, inbox)
        self._jpegs = Jpegs(newest)
        self._desk = ControlDesk(view, allowed=control, stopping=stopping)
        self._hello = {
            "control": control,
            "recordings": recordings is not None,
            "max_packet_bytes": view.limits.max_packet_bytes,
            "max_samples": view.limits.max_samples,
        }
        own: list[BaseRoute] = [
            *page_routes(),
            *Login(access).routes(),
            Route("/api/cameras", self._cameras, methods=["GET"]),
            Route("/api/cameras/{name}", self._camera, methods=["GET"]),
            WebSocketRoute("/api/live", self._live),
        ]
        self.starlette = Starlette(
            routes=[*own, *routes],
            exception_handlers={HTTPException: _say},  # type: ignore[dict-item]
        )
        self.guarded: ASGIApp = Guard(self.starlette, access)

    async def run(self) -> None:
        """Hand over what comes from the cameras, until cancelled."""
        await self._hub.run()

    async def _cameras(self, _: Request) -> Response:
        return _json({"cameras": self._board.cameras(self._hub.rates)})

    async def _camera(self, request: Request) -> Response:
        camera = self._board.camera(request.path_params["name"], self._hub.rates)
        if camera is None:
            raise HTTPException(404, "there is no camera of this name")
        return _json(camera)

    async def _live(self, websocket: WebSocket) -> None:
        await LiveSession(websocket, self._hub, self._jpegs, self._desk, self._hello).run()


async def _say(_: Request, exc: HTTPException) -> Response:
    return _json({"error": exc.detail}, exc.status_code, dict(exc.headers or {}))


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        json_text(value), status, {**NO_STORE, **(headers or {})}, "application/json"
    )
