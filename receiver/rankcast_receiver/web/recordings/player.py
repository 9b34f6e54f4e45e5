"""RecordingPlayer: plays a recording to one page, at the page's pace."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect

from rankcast.boot_clock import boot_s
from rankcast.codec import CODECS_BY_NAME
from rankcast.errors import RecordingError, WireError
from rankcast.wire import Limits
from rankcast_receiver.web.json_text import json_text
from rankcast_receiver.web.live import (
    BROKEN_RULE,
    PROTOCOL,
    Ack,
    Form,
    MessageRate,
    Play,
    close_wrong,
    parse_page_message,
    read_text,
)
from rankcast_receiver.web.pictures import JpegPiece
from rankcast_receiver.web.recordings.in_thread import in_thread
from rankcast_receiver.web.recordings.jpeg_maker import JpegMaker
from rankcast_receiver.web.recordings.playback import Playback, PlayedPiece, Seek
from rankcast_receiver.web.recordings.served_pictures import ServedPictures

MOST_ON_WAY: Final = 16
"""Most pictures of a camera that the page has not acknowledged; playing waits for it."""
MOST_AHEAD: Final = 64
"""The same for pictures that are due at once; a page drops those beyond 128."""
POSITION_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class PlayerOptions:
    """What all players share."""

    limits: Limits
    """Of a packet."""
    models: Path | None
    """Folder of the model files that packets name."""
    reading: anyio.CapacityLimiter
    """How many players read files at a time."""
    decoding: anyio.CapacityLimiter
    """For how many pages the server decodes at a time."""


class RecordingPlayer:
    """Serves one WebSocket of /api/recordings/NAME/play.

    Parameters
    ----------
    websocket : WebSocket
    facts : dict
        What `RecordingCatalog.describe` says.
    begin_ns : int
        When the recording begins.
    options : PlayerOptions
    """

    def __init__(
        self,
        websocket: WebSocket,
        facts: dict[str, Any],
        begin_ns: int,
        options: PlayerOptions,
    ) -> None:
        self._websocket, self._facts, self._begin_ns = websocket, facts, begin_ns
        self._options = options
        self._sending = asyncio.Lock()
        self._served = ServedPictures(
            JpegMaker(options.limits, options.models),
            options.decoding,
            self._send,
            self._tell,
            lambda: self._changed.set(),
        )
        self._on_way: dict[str, deque[int]] = {}
        self._changed = asyncio.Event()
        self._play = Play(0.0, 1.0, paused=True)
        self._seek_s: float | None = None
        self._begun = False
        self._position_ns = begin_ns
        self._since_s = boot_s()
        self._told_s = float("-inf")
        self.left = False
        """True once the page has left: reading for it ends."""

    async def run(self, path: Path) -> None:
        """Serve the page until it leaves."""
        keys = ("name", "cameras", "begin_utc", "duration_s", "frames")
        await self._tell({"type": "recording", **{key: self._facts[key] for key in keys}})
        tasks = [
            asyncio.create_task(self._read()),
            asyncio.create_task(self._feed(path)),
            asyncio.create_task(self._serve()),
        ]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            self.left = True
            wrong = [task.result() for task in ended]
        finally:
            self.left = True
            self._changed.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._served.close()
        await close_wrong(self._websocket, "".join(wrong))

    async def _read(self) -> str:
        rate = MessageRate()
        try:
            while True:
                text = await read_text(self._websocket)
                if not rate.allows(boot_s()):
                    raise WireError("more than 200 messages a second")
                match parse_page_message(text):
                    case Play() as play:
                        self._set(play)
                    case Ack(cameras):
                        for camera, sequence in cameras.items():
                            self._acknowledge(camera, sequence)
                    case _:
                        raise WireError("a recording takes only the messages play and ack")
                self._changed.set()
        except WireError as exc:
            return str(exc)
        except WebSocketDisconnect:
            return ""

    def _set(self, play: Play) -> None:
        self._advance(boot_s())
        self._play = play
        if play.from_s is not None or not self._begun:
            self._seek_s = play.from_s or 0.0
            self._begun = True

    def _acknowledge(self, camera: str, sequence: int) -> None:
        on_way = self._on_way.get(camera, deque())
        if sequence in on_way:
            while on_way.popleft() != sequence:
                pass

    async def _serve(self) -> str:
        try:
            return await self._served.run()
        except WebSocketDisconnect:
            return ""

    async def _feed(self, path: Path) -> str:
        playback: Playback | None = None
        try:
            playback = await self._in_thread(
                Playback, path, self._options.limits, lambda: self.left, self._facts["cameras"]
            )
            while True:
                await self._play_on(playback)
        except RecordingError as exc:
            await self._tell({"type": "error", "error": str(exc).removeprefix(f"{path}: ")})
            await self._websocket.close()
            return ""
        except WebSocketDisconnect:
            return ""
        finally:
            if playback is not None:
                playback.close()

    async def _play_on(self, playback: Playback) -> None:
        """Play from where the page wants to, to the end or to its next wish."""
        while (from_s := self._seek_s) is None:
            await self._wait(None)
        from_ns, self._seek_s = self._begin_ns + round(from_s * 1e9), None
        form = self._play.form
        self._served.jump()
        seek: Seek = await self._in_thread(playback.seek, from_ns)
        self._on_way.clear()
        streams: dict[str, bytes] = {}
        for (camera, stream_id), sequence in seek.starts.items():
            if camera not in streams:
                streams[camera] = stream_id
                await self._tell_seek(camera, stream_id, sequence)
        due = set(seek.due)
        self._position_ns, self._since_s = from_ns, boot_s()
        await self._tell_position()
        while pieces := await self._in_thread(playback.next_pieces):
            for piece in pieces:
                at_once = piece.t_ns < from_ns or piece.camera in due
                if piece.t_ns >= from_ns:
                    due.discard(piece.camera)
                if not await (self._until_room(piece) if at_once else self._until_due(piece)):
                    return
                start = seek.starts.get((piece.camera, piece.stream_id), piece.sequence)
                if streams.get(piece.camera) != piece.stream_id:
                    streams[piece.camera] = piece.stream_id
                    await self._tell_seek(piece.camera, piece.stream_id, start)
                if _is_served(piece, form):
                    self._served.put(piece, shown=piece.sequence >= start, leads=at_once)
                else:
                    await self._send(piece.camera, piece)
                if self._is_elsewhere:
                    return
        while self._served.is_busy and not self._is_elsewhere:
            await self._wait(None)
        await self._tell_position()
        await self._tell({"type": "end"})
        self._play = Play(None, self._play.speed, paused=True)

    @property
    def _is_elsewhere(self) -> bool:
        """True if the page wants to go on from another time."""
        return self._seek_s is not None

    async def _until_room(self, piece: PlayedPiece) -> bool:
        """Wait until the page keeps up; False if it wants to go elsewhere."""
        while not self._is_elsewhere:
            on_way = self._on_way.get(piece.camera, ())
            if len(on_way) < MOST_AHEAD and self._served.has_room(piece):
                return True
            await self._wait(None)
            self._since_s = boot_s()  # time stands still meanwhile
        return False

    async def _until_due(self, piece: PlayedPiece) -> bool:
        """Wait until a picture is to be shown; False if the page wants to go elsewhere."""
        while not self._is_elsewhere:
            now_s = boot_s()
            on_way = self._on_way.get(piece.camera, ())
            if self._play.paused or len(on_way) >= MOST_ON_WAY or self._served.catches_up:
                self._advance(now_s)  # until now; time stands still meanwhile
                await self._wait(None)
                self._since_s = boot_s()
                continue
            self._advance(now_s)
            if now_s - self._told_s >= POSITION_S:
                await self._tell_position()
            wait_s = (piece.t_ns - self._position_ns) / 1e9 / self._play.speed
            if wait_s <= 0:
                return True
            await self._wait(min(wait_s, POSITION_S))
        return False

    def _advance(self, now_s: float) -> None:
        """Move the position on to now."""
        if not self._play.paused:
            self._position_ns += round((now_s - self._since_s) * self._play.speed * 1e9)
        self._since_s = now_s

    async def _wait(self, timeout_s: float | None) -> None:
        """Wait for a message of the page, at most so long."""
        self._changed.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _send(self, camera: str, piece: PlayedPiece | JpegPiece) -> None:
        self._on_way.setdefault(camera, deque(maxlen=1024)).append(piece.sequence)
        async with self._sending:
            await self._websocket.send({"type": "websocket.send", "bytes": piece.message})

    async def _tell_seek(self, camera: str, stream_id: bytes, sequence: int) -> None:
        names = {"camera": camera, "stream": stream_id.hex(), "sequence": sequence}
        await self._tell({"type": "seek", **names})

    async def _tell_position(self) -> None:
        self._told_s = boot_s()
        position_s = max(0, self._position_ns - self._begin_ns) / 1e9
        await self._tell({"type": "position", "position_s": position_s})
        for camera, frames in self._served.take_skipped().items():
            await self._tell({"type": "skipped", "camera": camera, "frames": frames})

    async def _tell(self, message: dict[str, Any]) -> None:
        async with self._sending:
            await self._websocket.send({"type": "websocket.send", "text": json_text(message)})

    async def _in_thread(self, call: Any, *arguments: Any) -> Any:
        return await in_thread(self._options.reading, call, *arguments)


def _is_served(piece: PlayedPiece, form: Form) -> bool:
    """Return whether the server decodes a packet."""
    return form != "packets" or bool(piece.codec and not CODECS_BY_NAME[piece.codec].in_pages)


async def accept(websocket: WebSocket) -> bool:
    """Accept a WebSocket that speaks the protocol."""
    if PROTOCOL not in websocket.scope["subprotocols"]:
        await websocket.close(BROKEN_RULE)
        return False
    await websocket.accept(subprotocol=PROTOCOL)
    return True
