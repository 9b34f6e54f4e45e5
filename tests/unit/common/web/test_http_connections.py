"""HttpServer: what runs beside the requests, and connections that ask for nothing."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from contextlib import ExitStack, suppress

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from rankcast.errors import TransportError
from rankcast.web import HttpServer, Listen, http_server


async def answer(_: Request) -> Response:
    return PlainTextResponse("here")


def app() -> Starlette:
    return Starlette(routes=[Route("/", answer)])


def test_a_background_runs_as_long_as_the_server() -> None:
    ended: list[str] = []

    async def background() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("background")

    server = HttpServer(app(), Listen("127.0.0.1", 0), background=background)
    server.start()
    with urllib.request.urlopen(server.url) as reply:
        assert reply.read() == b"here"
    assert not server.ended
    server.stop()
    assert ended == ["background"]
    assert server.ended


def test_a_failing_background_ends_the_server_and_is_raised() -> None:
    async def background() -> None:
        await asyncio.sleep(0)
        raise RuntimeError("what nobody thought of")

    server = HttpServer(app(), Listen("127.0.0.1", 0), background=background)
    server.start()
    with pytest.raises(RuntimeError, match="nobody thought of"):
        server.stop()


def test_who_asks_before_the_loop_runs_waits() -> None:
    server = HttpServer(app(), Listen("127.0.0.1", 0))
    with pytest.raises(TransportError, match="cannot be taken"):
        HttpServer(app(), Listen("127.0.0.1", server.port))
    server.stop()


def test_more_connections_than_a_server_takes_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(http_server, "SPARE_CONNECTIONS", 0)
    server = HttpServer(app(), Listen("127.0.0.1", 0))
    server.start()
    try:
        with ExitStack() as stack:
            where = (server.host, server.port)
            for _ in range(2):
                stack.enter_context(socket.create_connection(where))
            third = stack.enter_context(socket.create_connection(where))
            third.settimeout(10)
            with suppress(ConnectionResetError):
                assert third.recv(1) == b""
    finally:
        server.stop()
