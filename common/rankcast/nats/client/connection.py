"""NatsConnection: a connection to a NATS server, renewed for as long as its thread runs."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rankcast.boot_clock import boot_s
from rankcast.errors import LimitError, NoStreamError, SettingsError
from rankcast.nats.address import NatsAddress
from rankcast.nats.client.message import Message
from rankcast.nats.client.patience import (
    BEAT_S,
    CLUSTER_BEAT_S,
    CLUSTER_STALE_S,
    LOOK_S,
    STALE_S,
    Patience,
)
from rankcast.nats.options import NatsOptions
from rankcast.nats.parts import split_packet
from rankcast.nats.subjects import OPERATOR_CONTROL
from rankcast.net import LinkState
from rankcast.runtime import LogLimiter

if TYPE_CHECKING:
    from rankcast.nats.client.library import Client

log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.1
MAX_PAUSE_S: Final = 2.0
"""Pauses between attempts double up to this."""
LOG_INTERVAL_S: Final = 10.0
MAX_SERVERS: Final = 32
"""Most servers of a cluster that are remembered."""


@dataclass(frozen=True, slots=True)
class NatsState:
    """State of the connection, for any thread."""

    link: LinkState = LinkState.CONNECTING
    since_s: float = 0.0
    detail: str = ""
    """Why it is not up, or what the server does not permit, in ASCII, one line."""
    sessions: int = 0
    """How often it was established."""


class NatsConnection:
    """Connects to one of the servers, subscribes, and does so again whenever it ends.

    Parameters
    ----------
    address : NatsAddress
    options : NatsOptions
    name : str
        How the server names this client in its own reports.
    on_session : callable
        Called in the event loop after each connection was made: subscribes.
    on_progress : callable
        Called in the event loop when the server has taken more, and when a session begins or ends.
    on_denied : callable
        Called in the event loop with a subject that the server does not permit, and one line.
    buffer_bytes : int
        Kernel buffers of the connection; 0: those of the system.
    speaks : bool
        Log what becomes of the connection.

    Notes
    -----
    Everything but `state` and the counters belongs to the event loop.
    """

    def __init__(
        self,
        address: NatsAddress,
        options: NatsOptions,
        name: str,
        on_session: Callable[[], Awaitable[None]],
        on_progress: Callable[[], None] = lambda: None,
        on_denied: Callable[[str, str], None] = lambda _subject, _text: None,
        *,
        buffer_bytes: int = 0,
        speaks: bool = True,
    ) -> None:
        self.address = address
        self.state = NatsState(since_s=boot_s())
        self.sent_bytes = 0
        """Bytes handed to the connection since it was established."""
        self.taken_bytes = 0
        """Those of them that the server is known to have."""
        self.inbox = ""
        """Prefix of the subjects of replies to this connection."""
        self.max_payload = 0
        """Most bytes that the server takes in one message."""
        self._options = options
        self._name = name
        self._on_session = on_session
        self._on_progress = on_progress
        self._on_denied = on_denied
        self._denied_log = LogLimiter(LOG_INTERVAL_S, burst=4)
        self._buffer_bytes = buffer_bytes
        self._speaks = speaks
        self._servers = list(address.servers)
        self._client: Client | None = None
        self._lost = asyncio.Event()
        self._sent = asyncio.Event()
        self._patience = Patience()
        self._publishing: set[asyncio.Future[bool]] = set()
        self._number = random.getrandbits(64)
        self._failure: Exception | None = None
        self._cause: Exception | None = None
        """What the library reported last while it connected."""
        self._end = ""

    @property
    def is_up(self) -> bool:
        """True while messages can be published."""
        return self._client is not None and not self._lost.is_set()

    @property
    def servers(self) -> tuple[str, ...]:
        """``HOST:PORT`` of each known server."""
        return tuple(self._servers)

    @property
    def has_others(self) -> bool:
        """True if another server can be connected to in place of this one."""
        return len(self._servers) > 1

    @property
    def _beat_s(self) -> float:
        return CLUSTER_BEAT_S if self.has_others else BEAT_S

    @property
    def _stale_s(self) -> float:
        return CLUSTER_STALE_S if self.has_others else STALE_S

    @property
    def waiting_bytes(self) -> int:
        """Bytes that the server is not known to have yet."""
        return self.sent_bytes - self.taken_bytes

    async def run(self, stopping: asyncio.Event) -> None:
        """Keep the connection until `stopping` is set."""
        pause_s, attempts = FIRST_PAUSE_S, 0
        stop = asyncio.ensure_future(stopping.wait())
        try:
            while not stopping.is_set():
                server = self._servers[attempts % len(self._servers)]
                attempts += 1
                if await self._session(server, stop):
                    # The next server first: the one that was lost may accept and say nothing.
                    pause_s, attempts = FIRST_PAUSE_S, self._servers.index(server) + 1
                elif attempts % len(self._servers) == 0:
                    # With jitter: all clients of a server that comes back try at once otherwise.
                    await asyncio.wait([stop], timeout=pause_s * random.uniform(0.75, 1.25))
                    pause_s = min(MAX_PAUSE_S, 2 * pause_s)
        finally:
            stop.cancel()

    async def subscribe(
        self, subject: str, take: Callable[[Message], None]
    ) -> Callable[[], Awaitable[None]]:
        """Subscribe for this session; return what ends the subscription.

        On a connection that has just ended it does nothing: the next session subscribes again.
        """
        client = self._client
        if client is None:
            return _nothing
        try:
            end = await client.listen(subject, take)
        except Exception:
            if client.works and not client.is_closed:
                raise
            self._lost.set()
            return _nothing

        async def end_here() -> None:
            if client is self._client:
                await end()

        return end_here

    def new_inbox(self) -> str:
        """Return a subject for messages to this connection alone, not below `inbox`."""
        return f"_INBOX.{secrets.token_hex(11)}"

    async def publish(self, subject: str, data: bytes, reply: str = "") -> bool:
        """Hand one packet to the connection, in parts if need be; never waits for the server.

        Returns
        -------
        bool
            False without a connection, or if the server takes only tiny messages.
        """
        client = self._client
        if client is None or self._lost.is_set():
            return False
        self._number = (self._number + 1) % 2**64
        try:
            for part in split_packet(data, self._number, client.max_payload):
                await client.publish(subject, part, reply=reply)
                self.sent_bytes += len(part)
        except LimitError as exc:
            log.debug("%s: %s", self.address, exc)
            return False
        except Exception as exc:
            self._take_end(exc)
            return False
        self._sent.set()
        return True

    async def request(self, subject: str, data: bytes, timeout_s: float) -> Message:
        """Send a small request and return the first reply to it, `unanswered` if nobody takes it.

        Raises
        ------
        NoStreamError
            If there is no connection, or no reply came in time.
        """
        from rankcast.nats.client.library import NoRespondersError, trouble_of

        client = self._client
        if client is None or self._lost.is_set():
            raise NoStreamError("there is no connection to the NATS server")
        try:
            reply = await client.request(subject, data, timeout_s)
        except NoRespondersError:
            return Message(subject, b"", status="503")
        except Exception as exc:
            raise NoStreamError(trouble_of(exc)[1]) from exc
        return Message(reply.subject, reply.data)

    def publish_soon(self, subject: str, data: bytes, reply: str = "") -> bool:
        """Publish soon, in the order of calls; False without a connection."""
        if not self.is_up:
            return False
        task = asyncio.ensure_future(self.publish(subject, data, reply))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)
        return True

    async def drain(self, timeout_s: float) -> bool:
        """Wait until the server has all that was published; False if it does not take it."""
        client = self._client
        if client is None:
            return False
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*self._publishing)
                while client.pending_data_size:
                    await client.flush(STALE_S)
                await client.flush(STALE_S)
        except Exception:
            return False
        return True

    def renew(self, why: str) -> None:
        """End this connection, so that another one is made."""
        self._end = self._end or why
        self._lost.set()

    async def _session(self, server: str, stop: asyncio.Future[Any]) -> bool:
        """Connect once and stay connected; return False if there was no connection."""
        from rankcast.nats.client.library import Client, trouble_of

        self._lost.clear()
        self._end, self._cause = "", None
        client = Client(self._options.tls_context(self.address), self._buffer_bytes)
        try:
            try:
                opening = asyncio.ensure_future(
                    client.open(
                        server, self._name, self._options.arguments(), self._note_error,
                        self._note_closed, self._tls_name(server),
                    )
                )  # fmt: skip
                await asyncio.wait([opening, stop], return_when=asyncio.FIRST_COMPLETED)
                if not opening.done():
                    opening.cancel()
                    await asyncio.wait([opening])
                    if not opening.cancelled():
                        opening.exception()  # asyncio would report one that nobody has seen
                    return False
                opening.result()
            except SettingsError as exc:
                # A file of credentials that has changed since the start.
                self._note_state(LinkState.KEY_REFUSED, str(exc), server)
                return False
            except Exception as exc:
                cause = client.last_error if isinstance(exc, TimeoutError) else exc
                self._note_state(*trouble_of(self._cause or cause or exc), server)
                return False
            await self._serve(client, server, stop)
            return True
        finally:
            self._client = None
            self._on_progress()
            await client.end(at_once=self._lost.is_set())
            if self._failure is not None:
                raise self._failure

    async def _serve(self, client: Client, server: str, stop: asyncio.Future[Any]) -> None:
        """Use a connection until it ends."""
        self._client = client
        self._sent.clear()
        self.sent_bytes = self.taken_bytes = 0
        self.inbox = client.new_inbox()
        self.max_payload = client.max_payload
        for url in client.discovered_servers:
            found = f"{url.hostname}:{url.port}"
            if found not in self._servers and len(self._servers) < MAX_SERVERS:
                self._servers.append(found)
        state = self.state
        self.state = NatsState(LinkState.UP, boot_s(), "", state.sessions + 1)
        if self._speaks:
            log.info("connected to the NATS server %s", server)
        await self._on_session()
        self._on_progress()
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            while not (lost.done() or stop.done()):
                await self._beat(client, lost, stop)
        finally:
            lost.cancel()
        if not stop.done():
            self._note_state(LinkState.CLOSED, self._end or "the connection ended", server)

    async def _beat(
        self, client: Client, lost: asyncio.Future[Any], stop: asyncio.Future[Any]
    ) -> None:
        """Wait until something is sent, at most a second; ask the server how far it has read."""
        sent = asyncio.ensure_future(self._sent.wait())
        await asyncio.wait(
            [sent, lost, stop], timeout=self._beat_s, return_when=asyncio.FIRST_COMPLETED
        )
        sent.cancel()
        if lost.done() or stop.done():
            return
        self._sent.clear()
        await asyncio.sleep(0)
        # The library writes a ping before what still waits: only what is written counts.
        written = self.sent_bytes if not client.pending_data_size else self.taken_bytes
        ahead_bytes = max(0, self.waiting_bytes - client.pending_data_size)
        self._patience.ask(time.monotonic(), ahead_bytes, client.traffic)
        answer = asyncio.ensure_future(client.answer())
        ends, silent_s = (answer, lost, stop), 0.0
        while silent_s < self._stale_s and not any(end.done() for end in ends):
            await asyncio.wait(ends, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            silent_s = self._patience.silent_s(time.monotonic(), client.traffic)
        if not answer.done():
            answer.cancel()
            await asyncio.wait([answer])
        # Looked at in any case: asyncio would report an exception that nobody has seen.
        failed = answer.cancelled() or answer.exception() is not None
        if lost.done() or stop.done():
            return
        if not client.works:
            self.renew("the connection ended")
        elif failed:
            self._patience.give_up()
            self.renew(f"the NATS server has not answered for {self._stale_s:g} s")
        else:
            self._patience.answered(time.monotonic())
            self.taken_bytes = written
            if self.waiting_bytes:
                self._sent.set()
            self._on_progress()

    def _note_state(self, link: LinkState, detail: str, server: str) -> None:
        before = self.state
        detail = f"{server}: {detail}"
        if (before.link, before.detail) == (link, detail):
            return
        self.state = NatsState(link, boot_s(), detail, before.sessions)
        if self._speaks:
            log.warning("NATS server %s; trying again", detail)

    async def _note_error(self, exc: Exception) -> None:
        from rankcast.nats.client.library import NatsError, denied_by

        self._cause = exc
        subject, denied = denied_by(exc)
        if subject:
            self._note_denied(subject, denied)
        elif isinstance(exc, NatsError | OSError | asyncio.TimeoutError):
            self._take_end(exc)
        else:
            # A defect of a callback, which the library would only log.
            self._failure = exc
            self._lost.set()

    def _note_denied(self, subject: str, text: str) -> None:
        state = self.state
        # A viewer need not be an operator.
        if not state.detail and not subject.endswith(OPERATOR_CONTROL):
            self.state = NatsState(state.link, state.since_s, text, state.sessions)
        if self._denied_log.may_log():
            log.warning("%s: %s", self.address, text)
        self._on_denied(subject, text)

    def _take_end(self, exc: Exception) -> None:
        from rankcast.nats.client.library import trouble_of

        self._end = self._end or trouble_of(exc)[1]

    async def _note_closed(self) -> None:
        client = self._client
        if client is not None and client.last_error is not None:
            self._take_end(client.last_error)
        self._lost.set()

    def _tls_name(self, server: str) -> str | None:
        """Return the name in the certificate of a server that another one of its cluster named."""
        if server in self.address.servers:
            return None
        return self.address.servers[0].rpartition(":")[0].strip("[]")


async def _nothing() -> None:
    """End a subscription that was never made."""
