"""Client: one connection of the NATS client library, which only this module imports.

The library reconnects by itself, but keeps what waits while it does, trusts a server that offers no
TLS, and has no way to end a connection that takes nothing. `NatsConnection` therefore makes a new
client for each connection.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import ParseResult

import nats.errors
from nats.aio.client import Client as LibraryClient
from nats.aio.msg import Msg
from nats.aio.transport import TcpTransport

from rankcast.nats.client.message import Message
from rankcast.nats.client.patience import Traffic
from rankcast.net import LinkState
from rankcast.printable import printable

if sys.platform != "win32":
    import fcntl
    import termios

CONNECT_S: Final = 3
NO_PINGS_S: Final = 86_400
"""The library's own pings notice a dead server after minutes; `NatsConnection` has its own."""
READ_BYTES: Final = 1 << 20
"""The library reads 32 KiB at a time, which takes twice the time for large frames."""
CLOSE_S: Final = 0.5
_DENIED: Final = re.compile(r'permissions violation for (\w+)(?: to)? "?([^"\s]+)')

NatsError: Final = nats.errors.Error
NoRespondersError: Final = nats.errors.NoRespondersError
_NOTICE: Final = re.compile(rb"NATS/1\.0 (\d{3}) ?([^\r\n]*)")


async def _nothing(message: Msg) -> None:
    """Take no message: `Client` hands them over itself."""


def _look_at(task: asyncio.Task[Any]) -> None:
    """Look at how a task of the library ended: asyncio would report it with a traceback."""
    if not task.cancelled():
        task.exception()


class _Transport(TcpTransport):
    """A connection that can be ended at once, and counts its bytes."""

    def __init__(self, buffer_bytes: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._buffer_bytes = buffer_bytes
        self._received_bytes = self._written_bytes = 0

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        await super().connect(uri, max(READ_BYTES, buffer_size), connect_timeout)
        if self._buffer_bytes and self._io_writer is not None:
            connection = self._io_writer.get_extra_info("socket")
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                connection.setsockopt(socket.SOL_SOCKET, option, self._buffer_bytes)

    async def read(self, buffer_size: int) -> bytes:
        data: bytes = await super().read(max(READ_BYTES, buffer_size))
        self._received_bytes += len(data)
        return data

    def write(self, payload: bytes) -> None:
        self._written_bytes += len(payload)
        super().write(payload)  # type: ignore[no-untyped-call]

    def writelines(self, payload: list[bytes]) -> None:
        self._written_bytes += sum(map(len, payload))
        super().writelines(payload)  # type: ignore[no-untyped-call]

    @property
    def traffic(self) -> Traffic:
        """Bytes sent and received so far, with the overhead of TLS."""
        writers = [
            each
            for each in (self._io_writer, self._bare_io_writer)
            if each is not None and not each.transport.is_closing()
        ]
        # With TLS there are two, one above the other.
        transports = {id(writer.transport): writer.transport for writer in writers}
        waiting_bytes = sum(each.get_write_buffer_size() for each in transports.values())
        if writers:
            waiting_bytes += unacknowledged_bytes(writers[0].get_extra_info("socket"))
        arrived_bytes = max(0, self._written_bytes - waiting_bytes)
        return Traffic(self._received_bytes, self._written_bytes, arrived_bytes)

    def abort(self) -> None:
        """Discard what waits and close the socket."""
        for writer in (self._io_writer, self._bare_io_writer):
            if writer is not None:
                writer.transport.abort()


class Client(LibraryClient):
    """A client that connects once.

    Parameters
    ----------
    tls : ssl.SSLContext, optional
        Nothing but TLS, with this context; None: what the server asks for.
    buffer_bytes : int
        Kernel buffers of the connection; 0: those of the system.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, buffer_bytes: int = 0) -> None:
        super().__init__()
        self._tls_context = tls
        self._wire = _Transport(buffer_bytes)
        self._transport = self._wire
        self._takers: dict[int, Callable[[Message], None]] = {}
        """By the number of the subscription."""

    @property
    def works(self) -> bool:
        """False once a task of the library has ended, which it does not tell."""
        tasks = (self._reading_task, self._flusher_task)
        return all(task is not None and not task.done() for task in tasks)

    async def open(
        self,
        server: str,
        name: str,
        arguments: Mapping[str, Any],
        on_error: Callable[[Exception], Awaitable[None]],
        on_closed: Callable[[], Awaitable[None]],
        tls_hostname: str | None,
    ) -> None:
        """Connect to ``HOST:PORT``.

        Raises
        ------
        Exception
            Of any class: the library and everything below it have their own; see `trouble_of`.
        """
        tls: dict[str, Any] = {} if self._tls_context is None else {"tls": self._tls_context}
        if tls_hostname:
            tls["tls_hostname"] = tls_hostname
        async with asyncio.timeout(CONNECT_S):
            await self.connect(
                f"nats://{server}",
                error_cb=on_error,
                closed_cb=on_closed,
                name=name,
                allow_reconnect=False,
                connect_timeout=CONNECT_S,
                reconnect_time_wait=0,
                max_reconnect_attempts=1,
                ping_interval=NO_PINGS_S,
                pending_size=0,  # the owner bounds what waits
                **tls,
                **arguments,
            )
        for task in (self._reading_task, self._flusher_task):
            if task is not None:
                task.add_done_callback(_look_at)

    async def listen(
        self, subject: str, take: Callable[[Message], None]
    ) -> Callable[[], Awaitable[None]]:
        """Subscribe; return what ends the subscription.

        `take` gets each message at once, in the order of all subscriptions together, which the
        queues of the library do not keep: a status would overtake the frames that it counts.
        """
        number = self._sid + 1
        self._takers[number] = take
        subscription = await self.subscribe(subject, cb=_nothing)

        async def end() -> None:
            self._takers.pop(number, None)
            with suppress(Exception):  # the connection has just ended
                await subscription.unsubscribe()

        return end

    @property
    def traffic(self) -> Traffic:
        """Bytes of this connection so far."""
        return self._wire.traffic

    async def answer(self) -> None:
        """Wait until the server has read what was sent so far; how long is for the caller to say.

        Raises
        ------
        Exception
            If the connection ends.
        """
        await self.flush(NO_PINGS_S)

    async def end(self, *, at_once: bool = False) -> None:
        """Close the connection, within a bounded time.

        Parameters
        ----------
        at_once : bool
            Discard what waits: the server does not take it.
        """
        if at_once:
            # The library would wait for it, and then leave its tasks behind.
            self._pending, self._pending_data_size = [], 0
            self._wire.abort()
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_S):
                await self.close()
        self._wire.abort()

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> None:
        take = self._takers.get(sid)
        if take is None:
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        status, notice = notice_of(headers) if headers and not data else ("", "")
        message = Message(
            subject.decode("utf-8", "replace"), data, reply.decode("utf-8", "replace"),
            status, notice,
        )  # fmt: skip
        try:
            take(message)
        except Exception as exc:  # the library would log it and read no more
            await self._error_cb(exc)

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if initial_connection and self._tls_context is not None:
            # The library would go on without TLS, and send the password, if the server, or whoever
            # answers in its place, does not ask for it.
            info["tls_required"] = True
        await super()._process_info(info, initial_connection)

    async def _process_pong(self) -> None:
        if self._pongs and self._pongs[0].done():
            # Nobody waits for it any more, which would end the loop that reads.
            self._pongs.pop(0)
            self._pings_outstanding = 0
            return
        await super()._process_pong()


def unacknowledged_bytes(connection: socket.socket) -> int:
    """Return the bytes in the send buffer of the kernel, which the next machine does not have."""
    if sys.platform == "win32":  # which does not tell
        return 0
    try:
        answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
        return int(struct.unpack("i", answer)[0])
    except (OSError, ValueError):  # closed
        return 0


def notice_of(headers: bytes) -> tuple[str, str]:
    """Return number and text of a notice of the server; empty for the headers of a message."""
    match = _NOTICE.match(headers)
    if match is None:
        return "", ""
    return match[1].decode("ascii"), printable(match[2].decode("utf-8", "replace"))[:100]


def trouble_of(exc: BaseException) -> tuple[LinkState, str]:
    """Return what a failed connection means, and one line about it in ASCII."""
    text = printable(" ".join(str(exc).split())).encode("ascii", "backslashreplace").decode("ascii")
    text = text.removeprefix("nats: ").strip("'\"")[:200]
    if isinstance(exc, ConnectionRefusedError):
        return LinkState.UNREACHABLE, "connection refused: no NATS server listens there"
    if isinstance(exc, socket.gaierror):
        return LinkState.UNREACHABLE, f"the name of the host is not known: {exc.strerror}"
    if isinstance(exc, ssl.SSLCertVerificationError):
        return LinkState.KEY_REFUSED, f"its certificate is not accepted: {exc.verify_message}"
    if isinstance(exc, ssl.SSLError):
        return LinkState.PROTOCOL_REFUSED, f"TLS failed: {exc.reason or text}"
    if isinstance(exc, TimeoutError | nats.errors.TimeoutError):
        return LinkState.UNREACHABLE, f"no reply within {CONNECT_S:g} s"
    lower = text.lower()
    if "authorization violation" in lower or "authentication" in lower:
        return LinkState.KEY_REFUSED, f"the NATS server refuses these credentials: {text}"
    if "expecting info" in lower or "json parse" in lower:
        return LinkState.PROTOCOL_REFUSED, "what answers there is not a NATS server"
    if isinstance(exc, OSError):
        return LinkState.UNREACHABLE, exc.strerror or text or type(exc).__name__
    return LinkState.UNREACHABLE, text or type(exc).__name__


def denied_by(exc: Exception) -> tuple[str, str]:
    """Return the subject that the server does not permit, and one line; empty if there is none."""
    match = _DENIED.search(str(exc).lower())
    if match is None:
        return "", ""
    what = "publish" if match[1] == "publish" else "subscribe"
    subject = printable(match[2])[:100]
    return subject, f"the NATS server does not let this user {what} to {subject}"
