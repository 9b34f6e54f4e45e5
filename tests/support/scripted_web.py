"""A server of docs/web.md for the page alone: packets are scripted, nothing else is behind it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from rankcast.core import wasm_module

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "receiver" / "rankcast_receiver" / "web" / "page"
CORE = wasm_module()
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "worker-src 'self'; connect-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'"
)
PROTOCOL = "rankcast.1"
STATUS_S = 0.25
STREAM_ID = slice(9, 17)
"""In a packet."""

Source = Callable[[int], bytes]
"""From a number to the packet of that number, from 0 on; packet 0 is a key frame."""


TYPES = {
    ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}  # fmt: skip


def _content(path: Path) -> Response:
    # A FileResponse would read in a thread that outlives the server.
    return Response(path.read_bytes(), media_type=TYPES[path.suffix])


def here_ms() -> float:
    """The clock of this server."""
    return time.monotonic() * 1e3


@dataclass
class FakeCamera:
    """One camera: what the list says of it, and its packets."""

    name: str
    packet: Source | None = None
    fps: float = 30.0
    """0: a packet is sent only when a test asks for it."""
    listed: dict[str, Any] = field(default_factory=dict)
    """Replaces keys of what the list says."""
    channel: str = "frames"
    period: int = 1 << 62
    """Packets after which sequences begin again."""
    window: int = 16
    """Packets on the way to the page that it has not acknowledged."""
    sent: int = 0
    on_way: deque[int] = field(default_factory=deque)

    def begin(self) -> None:
        """Start again with packet 0."""
        self.sent = 0
        self.on_way.clear()

    def acknowledge(self, sequence: int) -> None:
        if sequence in self.on_way:
            while self.on_way.popleft() != sequence:
                pass

    def description(self) -> dict[str, Any]:
        return {
            "name": self.name, "state": "live", "words": "live", "detail": "", "live": True,
            "stale_after_s": 1.0, "stream": None, "decodes": "page", "clock": None, "age_ms": None,
            "fps": self.fps, "bits_s": 0.0, "frame_bytes": 0, "latency_ms": None,
            "received": self.sent, "lost": {}, "sender": None, "meta": {}, **self.listed,
        }  # fmt: skip


class FakeWeb:
    """Serves the page, and packets to one client at a time; a context manager.

    Attributes
    ----------
    url : str
    heard : list
        Messages of the page, in order.
    """

    def __init__(
        self,
        cameras: list[FakeCamera],
        *,
        control: bool = False,
        recordings: Mapping[str, list[bytes]] | None = None,
        without_core: bool = False,
        asks_for_token: bool = False,
        answer: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        self.cameras = {camera.name: camera for camera in cameras}
        self.heard: list[dict[str, Any]] = []
        self.silent = False
        """True: sockets stay open and nothing is sent any more."""
        self.opened = 0
        self._hello = {
            "type": "hello", "version": "0", "control": control,
            "recordings": recordings is not None, "max_packet_bytes": 32 << 20,
            "max_samples": 2**27,
        }  # fmt: skip
        self._recordings = recordings or {}
        self._without_core = without_core
        self._asks_for_token = asks_for_token
        self._answer = answer or (lambda _request: {"ok": True, "error": "", "result": {}})
        self._watched: dict[str, str] = {}
        self._asked: asyncio.Queue[str] = asyncio.Queue()
        routes = [
            Route("/", self._index),
            Route("/page/{path:path}", self._file),
            Route("/login", self._login),
            Route("/next/{name}", self._next),
            Route("/api/cameras", self._list),
            Route("/api/recordings", self._list_recordings),
            Route("/api/cameras/{name}/snapshot", self._snapshot),
            WebSocketRoute("/api/live", self._live),
            WebSocketRoute("/api/recordings/{name}/play", self._play),
        ]
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self._server = uvicorn.Server(
            uvicorn.Config(
                Starlette(routes=routes), ws="websockets-sansio", lifespan="off", log_config=None,
                log_level="warning", timeout_graceful_shutdown=1, ws_per_message_deflate=False,
            )
        )  # fmt: skip
        self._thread = threading.Thread(target=self._run, name="fake-web")

    def __enter__(self) -> FakeWeb:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close every connection and the address."""
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(10)
        self._socket.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        await self._server.serve([self._socket])
        # A connection accepted as the server ended was not closed by it.
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    async def _index(self, _request: Request) -> Response:
        return self._guarded(_content(PAGE / "index.html"))

    async def _login(self, _request: Request) -> Response:
        return Response("log in") if self._asks_for_token else RedirectResponse("/", 303)

    async def _file(self, request: Request) -> Response:
        path = request.path_params["path"]
        found = CORE if path == CORE.name else PAGE / path
        if not found.is_file() or (self._without_core and found == CORE):
            return self._guarded(Response(status_code=404))
        return self._guarded(_content(found))

    def _guarded(self, response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Cache-Control"] = "no-store"
        return response

    async def _next(self, request: Request) -> Response:
        await self._asked.put(request.path_params["name"])
        return Response(status_code=204)

    async def _list(self, _request: Request) -> Response:
        return JSONResponse({"cameras": self._descriptions()})

    async def _list_recordings(self, _request: Request) -> Response:
        found = [
            {"name": name, "bytes": sum(map(len, packets)), "modified_utc": "2026-11-29T10:00:00Z",
             "cameras": ["line1"], "begin_utc": "2026-11-29T09:58:00Z",
             "duration_s": len(packets) / 30, "frames": len(packets), "complete": True}
            for name, packets in self._recordings.items()
        ]  # fmt: skip
        return JSONResponse({"recordings": found})

    async def _snapshot(self, _request: Request) -> Response:
        return JSONResponse({"error": "there is no picture yet"}, 503)

    def _descriptions(self) -> list[dict[str, Any]]:
        return [camera.description() for camera in self.cameras.values()]

    async def _live(self, ws: WebSocket) -> None:
        await ws.accept(PROTOCOL)
        self.opened += 1
        self._watched = {}
        tasks = [asyncio.create_task(self._say(ws)), asyncio.create_task(self._send_asked(ws))]
        tasks += [asyncio.create_task(self._stream(ws, one)) for one in self.cameras.values()]
        try:
            await ws.send_json(self._hello)
            while True:
                await self._hear(ws, json.loads(await ws.receive_text()))
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            for task in tasks:
                task.cancel()

    async def _hear(self, ws: WebSocket, message: dict[str, Any]) -> None:
        self.heard.append(message)
        if self.silent:
            return
        match message["type"]:
            case "ping":
                await ws.send_json({"type": "pong", "t0": message["t0"], "here_ms": here_ms()})
            case "watch":
                for name in set(message["cameras"]) - set(self._watched):
                    self.cameras[name].begin()
                self._watched = message["cameras"]
            case "ack":
                for name, sequence in message["cameras"].items():
                    self.cameras[name].acknowledge(int(sequence))
            case "restart":
                self.cameras[message["camera"]].begin()
            case "request":
                reply = {"type": "reply", "id": message["id"], **self._answer(message)}
                await ws.send_json(reply)

    async def _say(self, ws: WebSocket) -> None:
        while True:
            if not self.silent:
                await ws.send_json({"type": "cameras", "cameras": self._descriptions()})
            await asyncio.sleep(STATUS_S)

    async def _stream(self, ws: WebSocket, camera: FakeCamera) -> None:
        """Send packets at the rate of the camera, as long as the page acknowledges them."""
        if not camera.fps or camera.packet is None:
            return
        due_s = time.monotonic()
        while True:
            has_room = len(camera.on_way) < camera.window
            if camera.name in self._watched and not self.silent and has_room:
                await self._send(ws, camera)
            due_s = max(due_s + 1 / camera.fps, time.monotonic() - 0.1)
            await asyncio.sleep(max(0, due_s - time.monotonic()))

    async def _send_asked(self, ws: WebSocket) -> None:
        while True:
            await self._send(ws, self.cameras[await self._asked.get()])

    async def _send(self, ws: WebSocket, camera: FakeCamera) -> None:
        assert camera.packet is not None
        packet = camera.packet(camera.sent)
        camera.on_way.append(camera.sent % camera.period)
        camera.sent += 1
        await ws.send_bytes(f"{camera.name}/{camera.channel}\0".encode() + packet)

    async def _play(self, ws: WebSocket) -> None:
        packets = self._recordings[ws.path_params["name"]]
        await ws.accept(PROTOCOL)
        await ws.send_json(
            {"type": "recording", "name": ws.path_params["name"], "cameras": ["line1"],
             "begin_utc": "2026-11-29T09:58:00Z", "duration_s": len(packets) / 30,
             "frames": len(packets)}
        )  # fmt: skip
        at, playing, speed = 0, False, 1.0

        async def hear() -> None:
            nonlocal at, playing, speed
            while True:
                message = json.loads(await ws.receive_text())
                self.heard.append(message)
                if message["type"] == "play":
                    if message["from_s"] is not None:
                        wanted = min(len(packets) - 1, int(message["from_s"] * 30))
                        # Every group begins at packet 0 here.
                        stream = packets[0][STREAM_ID].hex()
                        await ws.send_json({"type": "seek", "camera": "line1", "stream": stream,
                                            "sequence": wanted})  # fmt: skip
                        at = 0
                        for at in range(wanted + 1):
                            await ws.send_bytes(b"line1/frames\0" + packets[at])
                        at += 1
                    playing, speed = not message["paused"], message["speed"]

        listening = asyncio.create_task(hear())
        try:
            while not listening.done():
                if playing and at < len(packets):
                    await ws.send_bytes(b"line1/frames\0" + packets[at])
                    at += 1
                    await ws.send_json({"type": "position", "position_s": at / 30})
                    if at == len(packets):
                        await ws.send_json({"type": "end"})
                await asyncio.sleep(1 / 30 / speed)
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
