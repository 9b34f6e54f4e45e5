"""HttpServer: serves an ASGI application on one address, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from asyncio.transports import Transport
from collections.abc import Callable, Coroutine
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from rankcast.atomic_file import os_reason
from rankcast.errors import TransportError, WorkerError
from rankcast.runtime import Worker
from rankcast.web.listen import Listen, join_address

log = logging.getLogger(__name__)

BACKLOG: Final = 128
MOST_CONNECTIONS: Final = 256
"""Beyond it requests are answered with 503."""
FIRST_REQUEST_S: Final = 10.0
"""A connection that has asked for nothing by then is closed."""
SEND_BUFFER_BYTES: Final = 262_144
"""Kernel buffer of a connection: what lies in it cannot be replaced by a newer picture."""
END_S: Final = 1
"""Time for answers in progress once the server is stopped."""
STOP_S: Final = 2.0
MOST_MESSAGE_BYTES: Final = 4096
"""Of a message that a WebSocket may send to the server."""


class _Protocol(H11Protocol):
    """Closes a connection over which no request comes: uvicorn waits for the first one for ever."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._first = self.loop.call_later(FIRST_REQUEST_S, self._close_unasked)

    def connection_lost(self, exc: Exception | None) -> None:
        self._first.cancel()
        super().connection_lost(exc)

    def _close_unasked(self) -> None:
        asked: object = self.cycle  # None before the first request, whatever its type says
        # The protocol of a WebSocket replaces this one.
        if asked is None and self.transport.get_protocol() is self:
            self.transport.close()


class HttpServer:
    """Serves HTTP and WebSockets on one address.

    The address is taken at once, so that a wrong one is known before anything else starts.

    Parameters
    ----------
    app : ASGI application
    listen : Listen
    name : str
        Of the thread, behind ``rankcast-``.
    background : callable, optional
        Runs in the event loop for as long as the server does; its failure ends the server.

    Raises
    ------
    SettingsError
        If the certificate or its key cannot be used.
    TransportError
        If the address cannot be taken.
    """

    def __init__(
        self,
        app: ASGIApp,
        listen: Listen,
        name: str = "web",
        *,
        background: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        tls = listen.tls_context()
        self._scheme = "http" if tls is None else "https"
        self._background = background
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        options: dict[str, Any] = (
            {} if tls is None else {"ssl_context_factory": lambda _config, _default: tls}
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, http=_Protocol, ws="websockets-sansio", ws_per_message_deflate=False,
                ws_max_size=MOST_MESSAGE_BYTES, loop="asyncio", lifespan="off", log_config=None,
                log_level="warning", access_log=False, server_header=False, proxy_headers=False,
                limit_concurrency=MOST_CONNECTIONS, backlog=BACKLOG,
                timeout_graceful_shutdown=END_S, **options,
            )
        )  # fmt: skip
        self._worker = Worker(f"rankcast-{name}", self._run, task=f"serving {name}")
        self._socket = _bound(listen)
        self.host, self.port = self._socket.getsockname()[:2]

    @property
    def url(self) -> str:
        """Address of the page, as a browser takes it."""
        return f"{self._scheme}://{join_address(self.host, self.port)}/"

    @property
    def stopping(self) -> bool:
        """True once the server is to end: answers without an end must end themselves."""
        return self._server.should_exit

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of the server; `call_soon_threadsafe` is how other threads reach it."""
        assert self._loop is not None, "the server has not been started"
        return self._loop

    @property
    def ended(self) -> bool:
        """True once the thread has ended: `stop` raises why, if it failed."""
        return self._started.is_set() and not self._worker.running

    def start(self) -> None:
        """Start to answer; return once the loop runs."""
        self._worker.start()
        self._started.wait()
        log.info("web address: %s", self.url)

    def end(self) -> None:
        """Ask the server to end, without waiting."""
        self._server.should_exit = True

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Stop, close all connections and raise what ended the thread, if it failed."""
        self.end()
        try:
            self._worker.join(timeout_s)
        finally:
            if not self._worker.running:
                self._socket.close()

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                self._loop.call_soon(self._started.set)
                runner.run(self._serve())
        except SystemExit as exc:  # how uvicorn says that it could not start
            raise WorkerError(f"the web server on {self.url} could not start") from exc
        finally:
            self._started.set()

    async def _serve(self) -> None:
        serving = asyncio.create_task(self._server.serve([self._socket]))
        tasks = {serving}
        if self._background is not None:
            tasks.add(asyncio.create_task(self._background()))
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        # Connections are closed in order, also if the background has failed.
        self._server.should_exit = True
        await serving
        for task in tasks - {serving}:
            task.cancel()
        await asyncio.wait(tasks)
        for task in ended - {serving}:
            task.result()


def _bound(listen: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        bound.bind((listen.host, listen.port))
        bound.listen(BACKLOG)  # who asks before the loop runs waits
        bound.setblocking(False)
    except OSError as exc:
        bound.close()
        where = join_address(listen.host, listen.port)
        raise TransportError(
            f"the web address {where} cannot be taken: {os_reason(exc)}; give another port, or 0 "
            "for any free one"
        ) from exc
    return bound
