"""The routes of recordings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from rankcast.errors import RecordingError
from rankcast.wire import Limits
from rankcast_receiver.web.recordings.catalog import RecordingCatalog
from rankcast_receiver.web.recordings.player import PlayerOptions, RecordingPlayer, accept
from rankcast_receiver.web.replies import json_reply

MOST_PLAYERS: Final = 16
MOST_THREADS: Final = 2
MOST_DECODING: Final = 4
"""Most pages for which the server decodes at a time, each in a thread."""
_TRY_LATER: Final = 1013
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class RecordingRoutes:
    """Lists recordings and plays them.

    Parameters
    ----------
    folder : Path or None
        None: there are none, and every request is answered with 404.
    limits : Limits
        Of a packet.
    models : Path or None
        Folder of the model files that packets name.
    stopping : callable
        True once the server ends.
    """

    def __init__(
        self,
        folder: Path | None,
        limits: Limits,
        models: Path | None,
        stopping: Callable[[], bool],
    ) -> None:
        self._limits, self._models = limits, models
        self._catalog = None if folder is None else RecordingCatalog(folder, limits, stopping)
        self._listing: asyncio.Lock | None = None
        self._options: PlayerOptions | None = None
        self._players = 0

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        return [
            Route("/api/recordings", self._list, methods=["GET"]),
            Route("/api/recordings/{name}", self._describe, methods=["GET"]),
            WebSocketRoute("/api/recordings/{name}/play", self._play),
        ]

    async def _list(self, _: Request) -> Response:
        return json_reply({"recordings": await self._ask(self._there().list_all)})

    async def _describe(self, request: Request) -> Response:
        facts = await self._ask(self._there().describe, request.path_params["name"])
        if facts is None:
            raise HTTPException(404, "there is no recording of this name")
        return json_reply(facts)

    async def _play(self, websocket: WebSocket) -> None:
        name = websocket.path_params["name"]
        path = facts = None
        if self._catalog is not None:
            facts = await self._ask(self._catalog.describe, name)
            path = await self._ask(self._catalog.path_of, name)
        if facts is None or path is None:
            await websocket.send_denial_response(
                json_reply({"error": "there is no recording of this name"}, 404)
            )
            return
        if not await accept(websocket):
            return
        if self._players >= MOST_PLAYERS:
            await websocket.close(
                _TRY_LATER, f"{MOST_PLAYERS} pages play recordings already: close one"
            )
            return
        begin_ns = _nanoseconds(facts["begin_utc"])
        player = RecordingPlayer(websocket, facts, begin_ns, self._shared())
        self._players += 1
        try:
            await player.run(path)
        finally:
            self._players -= 1

    def _there(self) -> RecordingCatalog:
        if self._catalog is None:
            raise HTTPException(
                404, "this receiver shows no recordings: start it with --web-recordings DIR"
            )
        return self._catalog

    async def _ask(self, question: Callable[..., Any], *arguments: Any) -> Any:
        """Ask the catalog in a thread, one question at a time."""
        if self._listing is None:
            self._listing = asyncio.Lock()
        async with self._listing:
            try:
                return await anyio.to_thread.run_sync(
                    question, *arguments, limiter=self._shared().reading
                )
            except RecordingError as exc:
                raise HTTPException(503, str(exc)) from exc

    def _shared(self) -> PlayerOptions:
        if self._options is None:  # made in the event loop
            self._options = PlayerOptions(
                self._limits,
                self._models,
                reading=anyio.CapacityLimiter(MOST_THREADS),
                decoding=anyio.CapacityLimiter(MOST_DECODING),
            )
        return self._options


def _nanoseconds(utc: str | None) -> int:
    if utc is None:
        return 0
    return (datetime.fromisoformat(utc) - _EPOCH) // timedelta(microseconds=1) * 1000
