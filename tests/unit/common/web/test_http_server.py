"""HttpServer: real sockets on loopback; nothing that a client does holds up its end."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.sync.client import connect

from rankcast.errors import SettingsError, TransportError
from rankcast.web import HttpServer, Listen
from support.certificates import make_certificate

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def _page(_: Request) -> Response:
    return PlainTextResponse("hello")


async def _endless(_: Request) -> Response:
    async def chunks():  # type: ignore[no-untyped-def]
        while True:
            yield bytes(1 << 16)
            await asyncio.sleep(0)

    return StreamingResponse(chunks())


async def _fails(_: Request) -> Response:
    raise RuntimeError("a defect of the application")


async def _echo(websocket: WebSocket) -> None:
    await websocket.accept()
    with suppress(WebSocketDisconnect):
        while True:
            await websocket.send_text(await websocket.receive_text())


APP = Starlette(
    routes=[
        Route("/", _page), Route("/endless", _endless), Route("/fails", _fails),
        WebSocketRoute("/live", _echo),
    ]
)  # fmt: skip


@contextmanager
def serving(listen: Listen = Listen("127.0.0.1", 0), **options: float) -> Iterator[HttpServer]:  # noqa: B008
    server = HttpServer(APP, listen, "test", **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def reached(server: HttpServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), 5)


def ends(connection: socket.socket) -> bytes:
    """Everything that a server says until it closes the connection."""
    connection.settimeout(5)
    said = b""
    try:
        while part := connection.recv(1 << 16):
            said += part
    except ConnectionResetError:
        pass
    return said


def test_it_answers_as_soon_as_it_has_started_and_ends_when_stopped() -> None:
    with serving() as server:
        url = server.url
        assert httpx.get(url).text == "hello"
        assert not server.stopping
    assert server.stopping
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


@pytest.mark.parametrize("started", [True, False])
def test_a_port_that_is_taken_is_one_clear_line(started: bool) -> None:
    first = HttpServer(APP, Listen("127.0.0.1", 0), "first")
    try:
        if started:
            first.start()
        with pytest.raises(TransportError) as refused:
            HttpServer(APP, Listen("127.0.0.1", first.port), "second")
    finally:
        first.stop()
    assert str(refused.value) == (
        f"the second address 127.0.0.1:{first.port} cannot be taken: Address already in use; give "
        "another port, or 0 for any free one"
    )


def test_an_address_of_another_machine_cannot_be_taken() -> None:
    with pytest.raises(TransportError, match=r"192\.0\.2\.1:0 cannot be taken"):
        HttpServer(APP, Listen("192.0.2.1", 0))


def test_the_port_is_free_again_after_the_end() -> None:
    with serving() as server:
        httpx.get(server.url)
    with serving(Listen("127.0.0.1", server.port)) as again:
        assert httpx.get(again.url).text == "hello"


def test_a_server_that_never_started_can_be_stopped() -> None:
    server = HttpServer(APP, Listen("127.0.0.1", 0))
    server.stop()
    server.stop()
    with serving(Listen("127.0.0.1", server.port)):
        pass


def test_ipv6_has_brackets_in_its_url() -> None:
    try:
        server = HttpServer(APP, Listen("::1", 0))
    except TransportError as exc:
        pytest.skip(str(exc))
    server.start()
    try:
        assert server.url == f"http://[::1]:{server.port}/"
        assert httpx.get(server.url).text == "hello"
    finally:
        server.stop()


def test_tls_is_spoken_with_the_certificate_that_is_given(tmp_path: Path) -> None:
    pair = make_certificate(tmp_path)
    with serving(Listen("127.0.0.1", 0, pair.certificate, pair.key)) as server:
        assert server.url.startswith("https://")
        trust = ssl.create_default_context(cafile=str(pair.certificate))
        assert httpx.get(server.url, verify=trust).text == "hello"
        with closing(reached(server)) as plain:
            plain.sendall(GET)
            assert b"hello" not in ends(plain)
        assert httpx.get(server.url, verify=trust).text == "hello"


def test_a_wrong_certificate_is_known_before_the_port_is_taken(tmp_path: Path) -> None:
    pair, other = make_certificate(tmp_path), make_certificate(tmp_path, "other")
    with pytest.raises(SettingsError, match="the key is of another certificate"):
        HttpServer(APP, Listen("127.0.0.1", 0, pair.certificate, other.key))


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_connection_that_never_asks_is_closed(sent: bytes) -> None:
    with serving(request_s=0.2) as server, closing(reached(server)) as silent:
        silent.sendall(sent)
        assert ends(silent) == b""
        assert httpx.get(server.url).text == "hello"


def test_a_connection_that_never_finishes_its_second_request_is_closed() -> None:
    with serving(request_s=0.3) as server, closing(reached(server)) as slow:
        slow.sendall(GET + b"GET / HTTP/1.1\r\nHost: ")
        assert ends(slow).endswith(b"hello")


def test_a_connection_that_goes_on_asking_stays() -> None:
    with serving(request_s=0.3) as server, closing(reached(server)) as connection:
        ends_s = time.monotonic() + 0.9
        while time.monotonic() < ends_s:
            connection.sendall(GET)
            said = b""
            while not said.endswith(b"hello"):
                part = connection.recv(4096)
                assert part, "it was closed"
                said += part


def test_an_answer_that_takes_longer_than_a_request_may_goes_on() -> None:
    with (
        serving(request_s=0.2) as server,
        httpx.stream("GET", f"{server.url}endless") as response,
    ):
        ends_s = time.monotonic() + 0.5
        for chunk in response.iter_raw():
            assert chunk
            if time.monotonic() > ends_s:
                break


@pytest.mark.parametrize("rubbish", [b"\x00" * 100, b"\x16\x03\x01\x02\x00", b"GET /\r\n\r\n" * 9])
def test_rubbish_is_refused_and_the_server_goes_on(rubbish: bytes) -> None:
    with serving() as server:
        with closing(reached(server)) as connection:
            connection.sendall(rubbish)
            assert not (said := ends(connection)) or said.startswith(b"HTTP/1.1 400")
        assert httpx.get(server.url).text == "hello"


def test_a_request_head_without_an_end_is_refused() -> None:
    with serving() as server, closing(reached(server)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000)
        assert ends(connection).startswith((b"HTTP/1.1 4", b""))
        assert httpx.get(server.url).text == "hello"


def test_a_defect_of_the_application_costs_one_answer() -> None:
    with serving() as server:
        assert httpx.get(f"{server.url}fails").status_code == 500
        assert httpx.get(server.url).text == "hello"


def test_it_stops_within_two_seconds_whatever_is_open(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING")
    with serving() as server, connect(f"ws://127.0.0.1:{server.port}/live") as live:
        silent, asking, deaf = reached(server), reached(server), reached(server)
        asking.sendall(GET)
        deaf.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert deaf.recv(1) == b"H", "the answer has begun, and nobody reads it"
        live.send("hello")
        assert live.recv() == "hello"
        began_s = time.monotonic()
        server.stop()
        took_s = time.monotonic() - began_s
        for connection in (silent, asking, deaf):
            connection.close()
    assert took_s < 1.5
    assert not [t for t in threading.enumerate() if t.name == "rankcast-test"]
    assert caplog.messages == []


def test_a_websocket_message_beyond_the_limit_closes_its_connection_alone() -> None:
    with serving() as server:
        address = f"ws://127.0.0.1:{server.port}/live"
        with connect(address) as live, connect(address) as other:
            live.send("x" * 5000)
            with pytest.raises(Exception, match="1009"):
                live.recv()
            other.send("still here")
            assert other.recv() == "still here"
