"""HttpServer: serves an ASGI application on one address, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from asyncio.transports import Transport
from collections.abc import Callable, Coroutine
from contextlib import suppress
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
SPARE_CONNECTIONS: Final = 32
"""Those beyond it that are answered so; further ones are closed at once."""
REQUEST_S: Final = 10.0
"""A connection that has not asked for something by then is closed, however slowly it writes."""
SEND_BUFFER_BYTES: Final = 262_144
"""Kernel buffer of a connection: what lies in it cannot be replaced by a newer picture."""
END_S: Final = 0.5
"""Time for answers in progress once the server is stopped; then their connections are aborted."""
CANCEL_S: Final = 1
"""Time until those are cancelled that do not notice."""
STOP_S: Final = 2.0
MOST_MESSAGE_BYTES: Final = 4096
"""Of a message that a WebSocket may send to the server."""


class _Protocol(H11Protocol):
    """Closes a connection over which no request comes: uvicorn waits for ever.

    It ends a connection that is silent between two requests itself, but not one whose next request
    never becomes complete.
    """

    request_s = REQUEST_S

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS + SPARE_CONNECTIONS:
            transport.abort()  # WebSockets get no 503
        self._due = self.loop.call_later(self.request_s, self._close_unasked, None)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._due.cancel()
        self._due = self.loop.call_later(self.request_s, self._close_unasked, self.cycle)

    def connection_lost(self, exc: Exception | None) -> None:
        self._due.cancel()
        super().connection_lost(exc)

    def _close_unasked(self, latest: object) -> None:
        """Close the connection unless a request came after the `latest` one."""
        # The protocol of a WebSocket replaces this one.
        if self.cycle is latest and self.transport.get_protocol() is self:
            self.transport.abort()


class HttpServer:
    """Serves HTTP and WebSockets on one address.

    The address is taken at once, so that a wrong one is known before anything else starts.

    Parameters
    ----------
    app : ASGI application
    listen : Listen
    name : str
        Of the address, in messages.
    thread : str, optional
        Name of the thread, behind ``rankcast-``; by default that of the address.
    request_s : float
        Time that a request may take to arrive.
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
        thread: str = "",
        background: Callable[[], Coroutine[Any, Any, None]] | None = None,
        request_s: float = REQUEST_S,
    ) -> None:
        tls = listen.tls_context()
        self._scheme = "http" if tls is None else "https"
        self._background = background
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        options: dict[str, Any] = (
            {} if tls is None else {"ssl_context_factory": lambda _config, _default: tls}
        )
        protocol = type("Protocol", (_Protocol,), {"request_s": request_s})
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, http=protocol, ws="websockets-sansio", ws_per_message_deflate=False,
                ws_max_size=MOST_MESSAGE_BYTES, loop="asyncio", lifespan="off", log_config=None,
                log_level="error", access_log=False, server_header=False, proxy_headers=False,
                limit_concurrency=MOST_CONNECTIONS, backlog=BACKLOG,
                timeout_graceful_shutdown=CANCEL_S, **options,
            )
        )  # fmt: skip
        self._name = name
        self._worker = Worker(f"rankcast-{thread or name}", self._run, task=f"serving {name}")
        self._socket = _bound(listen, name)
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
        log.info("%s address: %s", self._name, self.url)

    def end(self) -> None:
        """Ask the server to end, without waiting."""
        if self._server.should_exit:
            return
        self._server.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it is closed: the server has ended
                self._loop.call_soon_threadsafe(self._loop.call_later, END_S, self._abort)

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
            raise WorkerError(f"the server of {self.url} could not start") from exc
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
        asyncio.get_running_loop().call_later(END_S, self._abort)
        await serving
        self._abort()
        await asyncio.sleep(0)
        for task in tasks - {serving}:
            task.cancel()
        await asyncio.wait(tasks)
        for task in ended - {serving}:
            task.result()

    def _abort(self) -> None:
        """End what peers do not read: closing a connection waits until its buffers are empty."""
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()


def _bound(listen: Listen, name: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        bound.bind((listen.host, listen.port))
        # With SO_REUSEADDR only this takes the port; who asks before the loop runs waits.
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError as exc:
        bound.close()
        where = join_address(listen.host, listen.port)
        raise TransportError(
            f"the {name} address {where} cannot be taken: {os_reason(exc)}; give another "
            "port, or 0 for any free one"
        ) from exc
    return bound
