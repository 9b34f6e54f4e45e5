"""LiveEndpoint: accepts the WebSockets of live pictures."""

from __future__ import annotations

from typing import Any, Final

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from rankcast_receiver.web.live.hub import Hub
from rankcast_receiver.web.live.jpeg_flow import JpegSource
from rankcast_receiver.web.live.session import LiveSession, Requests

MOST_PAGES: Final = 200
_TRY_LATER: Final = 1013


class LiveEndpoint:
    """ASGI application of /api/live; see `LiveSession` for the parameters."""

    def __init__(
        self, hub: Hub, jpegs: JpegSource, requests: Requests, hello: dict[str, Any]
    ) -> None:
        self._hub, self._jpegs, self._requests, self._hello = hub, jpegs, requests, hello
        self._pages = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one page until it leaves."""
        websocket = WebSocket(scope, receive, send)
        if self._pages >= MOST_PAGES:
            await websocket.close(_TRY_LATER)
            return
        session = LiveSession(websocket, send, self._hub, self._jpegs, self._requests, self._hello)
        self._pages += 1
        try:
            await session.run()
        finally:
            self._pages -= 1
