"""Application: everything that the web address of a receiver answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from rankcast.web import Access, Guard
from rankcast_receiver.web.camera_board import CameraBoard
from rankcast_receiver.web.control_desk import ControlDesk
from rankcast_receiver.web.live import Hub, Inbox, LiveEndpoint
from rankcast_receiver.web.login import Login
from rankcast_receiver.web.openapi import description
from rankcast_receiver.web.page_files import page_routes
from rankcast_receiver.web.picture_routes import PictureRoutes
from rankcast_receiver.web.pictures import Jpegs, NewestPictures, Snapshots
from rankcast_receiver.web.receiver_view import ReceiverView
from rankcast_receiver.web.recordings import RecordingRoutes
from rankcast_receiver.web.replies import error_reply, json_reply


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
    models : Path or None
        Folder of the model files that packets of recordings name.
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
        models: Path | None,
        routes: Sequence[BaseRoute],
        stopping: Callable[[], bool],
    ) -> None:
        self._board = CameraBoard(view)
        self._hub = Hub(view, self._board, inbox)
        self._jpegs = Jpegs(newest)
        self._hub.join_pictures(self._jpegs)
        self._desk = ControlDesk(view, allowed=control, stopping=stopping)
        hello = {
            "control": control,
            "recordings": recordings is not None,
            "max_packet_bytes": view.limits.max_packet_bytes,
            "max_samples": view.limits.max_samples,
        }
        pictures = PictureRoutes(
            view, self._board, self._hub, newest, self._jpegs, Snapshots(view.limits), self._desk,
            stopping,
        )  # fmt: skip
        live = LiveEndpoint(self._hub, self._jpegs, self._desk, hello)
        own: list[BaseRoute] = [
            *page_routes(),
            *Login(access).routes(),
            Route("/api/cameras", self._cameras, methods=["GET"]),
            Route("/api/cameras/{name}", self._camera, methods=["GET"]),
            *pictures.routes(),
            *RecordingRoutes(recordings, view.limits, models, stopping).routes(),
            Route("/api/openapi.json", _describe, methods=["GET"]),
            WebSocketRoute("/api/live", live),
        ]
        self.starlette = Starlette(
            routes=[*own, *routes], exception_handlers={HTTPException: error_reply}
        )
        self.guarded: ASGIApp = Guard(self.starlette, access)

    async def run(self) -> None:
        """Run the hub, which forwards packets to pages, until cancelled."""
        await self._hub.run()

    async def _cameras(self, _: Request) -> Response:
        return json_reply({"cameras": self._board.cameras(self._hub.rates)})

    async def _camera(self, request: Request) -> Response:
        camera = self._board.camera(request.path_params["name"], self._hub.rates)
        if camera is None:
            raise HTTPException(404, "there is no camera of this name")
        return json_reply(camera)


async def _describe(_: Request) -> Response:
    return json_reply(description())
