"""LiveSession: one page on the WebSocket of live pictures."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Final, NoReturn, Protocol

from starlette.types import Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from rankcast.boot_clock import boot_ns, boot_s
from rankcast.errors import RankcastError, WireError
from rankcast_receiver.web.json_text import json_text
from rankcast_receiver.web.live.flow import CameraFlow, Load
from rankcast_receiver.web.live.hub import Hub
from rankcast_receiver.web.live.jpeg_flow import JpegFlow, JpegSource
from rankcast_receiver.web.live.message_rate import MessageRate
from rankcast_receiver.web.live.page_messages import (
    Ack,
    Ask,
    Form,
    Ping,
    Restart,
    Watch,
    parse_page_message,
)

PROTOCOL: Final = "rankcast.1"
MOST_REQUESTS: Final = 8
"""Requests of one page that are not answered yet."""
MOST_TEXTS: Final = 64
"""Answers that wait for a page which does not read."""
SKIPPED_S: Final = 0.5
BROKEN_RULE: Final = 1008


async def read_text(websocket: WebSocket) -> str:
    """Return the next message of a page.

    Raises
    ------
    WebSocketDisconnect
        If it has left.
    WireError
        If the message is no text.
    """
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])
    text = message.get("text")
    if not isinstance(text, str):
        raise WireError("a message is no text")
    return text


async def close_wrong(websocket: WebSocket, why: str) -> None:
    """Close a WebSocket whose page broke a rule; nothing must be sent any more."""
    if why:
        with suppress(WebSocketDisconnect):  # it has left meanwhile
            await websocket.close(BROKEN_RULE, why.encode("ascii", "replace")[:120].decode())


class Requests(Protocol):
    """Carries out requests of pages."""

    async def ask(self, camera: str, op: str, args: dict[str, Any]) -> dict[str, Any]:
        """Return the result of a request.

        Raises
        ------
        RankcastError
            If it is refused, or nothing answers in time.
        """


class LiveSession:
    """Sends a page what it watches, newest first.

    Parameters
    ----------
    websocket : WebSocket
    send : Send
        Sends what is no handshake, without the checks of `websocket`, which take as long again.
    hub : Hub
    jpegs : JpegSource
        Makes the pictures that the page cannot decode.
    requests : Requests
    hello : dict
        Keys of the first message that are the same for all pages.
    """

    def __init__(
        self,
        websocket: WebSocket,
        send: Send,
        hub: Hub,
        jpegs: JpegSource,
        requests: Requests,
        hello: dict[str, Any],
    ) -> None:
        self._websocket, self._hub, self._jpegs = websocket, hub, jpegs
        self._send = send
        self._requests = requests
        self._hello = {"type": "hello", "version": version("rankcast"), **hello}
        self._load = Load()
        self._wished: dict[str, Form] = {}
        """What the latest `watch` names, in 4096 bytes; cameras that are not there yet wait."""
        self._flows: dict[str, CameraFlow | JpegFlow] = {}
        self._turns: deque[CameraFlow | JpegFlow] = deque()
        """Cameras take turns at the socket."""
        self._texts: deque[str] = deque(maxlen=MOST_TEXTS)
        self._cameras_text = ""
        self._work = asyncio.Event()
        self._rate = MessageRate()
        self._asking: set[asyncio.Task[None]] = set()
        self._told_s = float("-inf")

    async def run(self) -> None:
        """Serve the page until it leaves."""
        if PROTOCOL not in self._websocket.scope["subprotocols"]:
            await self._websocket.close(BROKEN_RULE)
            return
        await self._websocket.accept(subprotocol=PROTOCOL)
        self._texts.append(json_text(self._hello))
        self.note_cameras(self._hub.list_cameras())
        self._hub.join(self)
        both = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        try:
            ended, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            wrong = [task.result() for task in ended]
        finally:
            self._hub.leave(self)
            self._watch({})
            for task in (*both, *self._asking):
                task.cancel()
            await asyncio.gather(*both, *self._asking, return_exceptions=True)
        await close_wrong(self._websocket, "".join(wrong))

    def wake(self) -> None:
        """Send what waits; see Page."""
        self._work.set()

    def pictures_of(self) -> Collection[str]:
        """Return the cameras of which the page gets JPEG; see Page."""
        return [camera for camera, flow in self._flows.items() if isinstance(flow, JpegFlow)]

    def note_picture(self, camera: str) -> None:
        """Have a JPEG made if this page shows some of this camera; see Page."""
        flow = self._flows.get(camera)
        if isinstance(flow, JpegFlow):
            flow.note_picture(boot_s())

    def note_cameras(self, text: str) -> None:
        """Send the list of cameras; see Page."""
        self._cameras_text = text
        self._add_wished()
        self._work.set()

    def drop(self, flow: CameraFlow) -> None:
        """Forget a flow whose camera is gone; see Page."""
        if self._flows.get(flow.camera) is flow:
            del self._flows[flow.camera]
            self._turns = deque(self._flows.values())

    async def _read(self) -> str:
        """Handle what the page sends; return what was wrong with it, empty once it has left."""
        try:
            while True:
                text = await read_text(self._websocket)
                if not self._rate.allows(boot_s()):
                    return "more than 200 messages a second"
                self._handle(text)
        except WireError as exc:
            return str(exc)
        except WebSocketDisconnect:
            return ""

    def _handle(self, text: str) -> None:
        now_s = boot_s()
        match parse_page_message(text):
            case Watch(cameras):
                self._watch(dict(cameras))
            case Ack(cameras):
                for camera, sequence in cameras.items():
                    if (flow := self._flows.get(camera)) is not None:
                        flow.acknowledge(sequence, now_s)
                self._work.set()
            case Ping(t0):
                here_ms = boot_ns() / 1e6
                self._texts.append(json_text({"type": "pong", "t0": t0, "here_ms": here_ms}))
                self._work.set()
            case Restart(camera):
                if (flow := self._flows.get(camera)) is not None:
                    flow.restart(now_s)
                    self._work.set()
            case Ask() as ask:
                self._start(ask)
            case _:
                raise WireError("a recording is played at /api/recordings/NAME/play")

    def _watch(self, cameras: dict[str, Form]) -> None:
        self._wished = cameras
        for camera, flow in list(self._flows.items()):
            if cameras.get(camera) == flow.form:
                continue
            del self._flows[camera]
            flow.fall_out()
            if isinstance(flow, CameraFlow):
                self._hub.unwatch(flow)
        self._add_wished()
        self._turns = deque(self._flows.values())
        self._work.set()

    def _add_wished(self) -> None:
        """Watch what the page wants and the receiver has."""
        missing = [one for one in self._wished.items() if one[0] not in self._flows]
        if not missing:
            return
        known = self._hub.known()
        for camera, form in missing:
            if camera in known:
                self._add(camera, form)
        self._turns = deque(self._flows.values())

    def _add(self, camera: str, form: Form) -> None:
        if form != CameraFlow.form:
            jpeg_flow = JpegFlow(camera, self._jpegs, self._load, self._work.set)
            self._flows[camera] = jpeg_flow
            jpeg_flow.note_picture(boot_s())
            return
        flow = self._hub.watch(self, camera, self._load)
        if flow is not None:
            self._flows[camera] = flow

    def _start(self, ask: Ask) -> None:
        if len(self._asking) >= MOST_REQUESTS:
            self._reply(ask.id, error=f"more than {MOST_REQUESTS} requests are not answered yet")
            return
        task = asyncio.create_task(self._carry_out(ask))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _carry_out(self, ask: Ask) -> None:
        try:
            result = await self._requests.ask(ask.camera, ask.op, dict(ask.args))
        except RankcastError as exc:
            self._reply(ask.id, error=str(exc))
        else:
            self._reply(ask.id, result=result)

    def _reply(self, number: int, error: str = "", result: dict[str, Any] | None = None) -> None:
        reply = {"type": "reply", "id": number, "ok": not error, "error": error}
        self._texts.append(json_text({**reply, "result": result or {}}))
        self._work.set()

    async def _write(self) -> str:
        try:
            await self._send_all()
        except OSError:  # the page has left, which the reader hears too
            return ""

    async def _send_all(self) -> NoReturn:
        send = self._send
        while True:
            if self._texts or self._cameras_text:
                await send({"type": "websocket.send", "text": self._next_text()})
                continue
            message = self._next_message()
            if message is None:
                self._work.clear()
                if not self._load.bytes:
                    self._resume()
                if not self._turn_waits():
                    await self._work.wait()
                continue
            await send({"type": "websocket.send", "bytes": message})
            self._load.bytes -= len(message)

    def _next_text(self) -> str:
        if self._texts:
            return self._texts.popleft()
        text, self._cameras_text = self._cameras_text, ""
        # What was skipped is told with the list that follows it.
        for flow in self._flows.values():
            if flow.skipped:
                skipped = {"type": "skipped", "camera": flow.camera, "frames": flow.skipped}
                self._texts.append(json_text(skipped))
                flow.skipped = 0
        return text

    def _next_message(self) -> bytes | None:
        for _ in range(len(self._turns)):
            flow = self._turns[0]
            self._turns.rotate(-1)
            if flow.waits:
                return flow.take().message
        return None

    def _turn_waits(self) -> bool:
        return any(flow.waits for flow in self._turns)

    def _resume(self) -> None:
        now_s = boot_s()
        for flow in self._flows.values():
            flow.resume(now_s)
