"""A page in Python: watches cameras over the WebSocket of a receiver, decodes and acknowledges."""

from __future__ import annotations

import json
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

from rankcast.decoder import Decoder, frame_of
from rankcast.frame import Frame
from rankcast.wire import Kind, Packet, unpack

WAIT_S = 30.0


class WebPage:
    """One WebSocket; close it, or use it as a context."""

    def __init__(self, url: str, path: str = "api/live", **options: Any) -> None:
        # A client whose queue is full reads no close frame either.
        options = {"max_queue": None, "close_timeout": 2, "ping_interval": None, **options}
        options.setdefault("subprotocols", ["rankcast.1"])
        self._open = ExitStack()
        self.socket: ClientConnection = self._open.enter_context(
            connect(url.replace("http", "ws", 1) + path, max_size=None, **options)
        )
        self.hello = self.next_text()
        self.cameras: dict[str, dict[str, Any]] = {}
        self.skipped = 0
        self._decoders: dict[str, tuple[bytes, Decoder]] = {}
        self._restarting: set[str] = set()

    def __enter__(self) -> WebPage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._open.close()

    def send(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def watch(self, *names: str, form: str = "packets") -> None:
        self.send(type="watch", cameras=dict.fromkeys(names, form))

    def restart(self, camera: str) -> None:
        """Ask for a beginning; what is on the way until then belongs to the one before."""
        self._restarting.add(camera)
        self._decoders.pop(camera, None)
        self.send(type="restart", camera=camera)

    def acknowledge(self, packet: Packet, camera: str = "cam") -> None:
        self.send(type="ack", cameras={camera: packet.header.sequence})

    def next_text(self, timeout_s: float = WAIT_S) -> dict[str, Any]:
        """Return the next text message; binary ones before it are dropped."""
        while True:
            message = self.socket.recv(timeout_s)
            if isinstance(message, str):
                found = json.loads(message)
                assert isinstance(found, dict)
                return found

    def text_of(self, kind: str) -> dict[str, Any]:
        """Return the next text message of a type."""
        while (message := self.next_text())["type"] != kind:
            pass
        return message

    def packets(self, timeout_s: float = WAIT_S) -> Iterator[tuple[str, bytes]]:
        """Yield topic and packet of each binary message, and note the texts between them."""
        while True:
            message = self.socket.recv(timeout_s)
            if isinstance(message, str):
                self._note(json.loads(message))
                continue
            topic, _, data = message.partition(b"\0")
            yield topic.decode(), data

    def frames(self, count: int, acknowledge: bool = True) -> Iterator[Frame]:
        """Yield decoded pictures; every packet must decode, from a restart's beginning on."""
        packets = self.packets()
        while count:
            topic, data = next(packets)
            camera = topic.removesuffix("/frames")
            packet = unpack(data)
            if camera in self._restarting:
                if packet.header.kind is Kind.PREDICTED:
                    continue
                self._restarting.remove(camera)
            count -= 1
            stream_id = packet.header.stream_id
            if self._decoders.get(camera, (b"",))[0] != stream_id:
                self._decoders[camera] = stream_id, Decoder()
            decoder = self._decoders[camera][1]
            packet = decoder.complete(packet)
            frame = frame_of(packet, decoder.decode_packet(packet), camera)
            if acknowledge:
                self.acknowledge(packet, camera)
            yield frame

    def _note(self, message: dict[str, Any]) -> None:
        if message["type"] == "cameras":
            self.cameras = {camera["name"]: camera for camera in message["cameras"]}
        elif message["type"] == "skipped":
            self.skipped += message["frames"]


class Answer:
    """What a server answered."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _KeepRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def ask(
    url: str,
    path: str = "",
    method: str = "GET",
    body: bytes | None = None,
    tls: ssl.SSLContext | None = None,
    **headers: str,
) -> Answer:
    """Send one request and return the answer, errors and redirections included."""
    request = urllib.request.Request(
        url + path, body, {key.replace("_", "-"): value for key, value in headers.items()},
        method=method,
    )  # fmt: skip
    handlers: list[Any] = [_KeepRedirects, urllib.request.ProxyHandler({})]
    if tls is not None:
        handlers.append(urllib.request.HTTPSHandler(context=tls))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=WAIT_S) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as exc:
        with exc:
            return Answer(exc.code, exc.headers, exc.read())


def wait_until(holds: Callable[[], bool], timeout_s: float = WAIT_S) -> float:
    """Ask again and again until something holds; return after how many seconds it did."""
    began_s = time.monotonic()
    while not holds():
        assert time.monotonic() - began_s < timeout_s, "it never did"
        time.sleep(0.02)
    return time.monotonic() - began_s


@contextmanager
def deaf_page(url: str, *cameras: str) -> Iterator[socket.socket]:
    """Watch cameras over a socket of which nothing is read: what comes stays in the kernel."""
    where = urlsplit(url)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        deaf.connect((where.hostname, where.port))
        deaf.sendall(
            b"GET /api/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: rankcast.1\r\n\r\n"
        )
        assert deaf.recv(12) == b"HTTP/1.1 101"
        text = json.dumps({"type": "watch", "cameras": dict.fromkeys(cameras, "packets")}).encode()
        assert len(text) < 126
        # A text frame, masked with zeros.
        deaf.sendall(bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text)
        yield deaf
