"""ControlThread: the thread that receives control requests and sends the replies."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import zmq

from rankcast.errors import WireError
from rankcast.net import (
    CONTROL_ZAP_DOMAIN,
    UNACKNOWLEDGED_MS,
    SocketOptions,
    SocketThread,
    ipc_path,
    is_ipv6,
    open_socket,
    split_endpoint,
)
from rankcast.runtime import LogLimiter, Pulse
from rankcast.wire import MAX_REQUEST_BYTES, Reply, Request, pack_reply, parse_request
from rankcast_sender.control.request_handler import (
    PASSED_ON,
    STOP_TIMEOUT_S,
    Client,
    RequestHandler,
)
from rankcast_sender.peers import (
    Ban,
    ConnectionGuard,
    DroppedMessages,
    FloodLimit,
    RateLimit,
    Watch,
    address_of,
    descriptor_of,
    user_of,
)
from rankcast_sender.sockets import REBIND_S, Context, bind

log = logging.getLogger(__name__)

QUEUE_MESSAGES: Final = 16
"""Most replies queued for one client; further replies to a client that does not read are lost."""
MAX_READ: Final = 256
"""Most requests read at a time, so that a client that floods the socket cannot delay replies."""
UNREAD_BYTES: Final = 262_144
"""Most bytes of one connection that may wait to be read."""
RECEIVE_BUFFER_BYTES: Final = 16_384
"""Two of the largest requests: a small buffer only slows a flood down, as at the frames socket."""
BUDGETS_S: Final[Mapping[str, int]] = MappingProxyType({"ping": 20, "status": 20})
"""Requests a second of one connection that are answered; a receiver sends 1 and 0.5."""
OTHERS_S: Final = 1000
"""The same for all other requests. A receiver that keeps every frame of 64 cameras sends 260."""
LOST_LOG_S: Final = 10.0
POLL_S: Final = 1.0
PENDING_TIMEOUT_S: Final = 3.0
"""A camera waiting for its trigger may never apply a change; after this long the client gets an
error."""
MAX_PENDING: Final = 64
UNHEARD_REBIND_S: Final = 30.0
"""Shortest time from one of these to the next: one peer can cause them, and all clients connect
again."""
MOST_UNHEARD_BYTES: Final = 8 * 1024 * 1024
"""Beyond that it comes at once: only many addresses can bring so much in that time."""
LEAST_JOIN_S: Final = 0.1
"""What is left for the thread itself if those of the handler have used up the time."""

Identify = Callable[[bytes, str], Client]


@dataclass(frozen=True, slots=True)
class _Pending:
    """A request whose reply is still to come."""

    client: bytes
    request: Request
    deadline_s: float


class ControlThread:
    """Serves the control channel of one sender.

    Parameters
    ----------
    context : zmq.Context
        Owned by the caller.
    endpoint : str
        Address to bind.
    options : SocketOptions
        Buffer and keys; queue and message limit are those of the control channel.
    handler : RequestHandler
        Answers the requests; started and closed with this thread.
    identify : callable
        Returns the client behind a routing id and an authenticated user id, which names nobody
        without keys. Called for every request, so that a revoked role takes effect at once.
    guard : ConnectionGuard
        Ends connections that flood the socket.
    max_messages_s : int
        Most messages a second that one peer may send.
    ban : callable or None
        Refuses the key of a peer that sends more; None without keys.
    """

    def __init__(
        self,
        context: Context,
        endpoint: str,
        options: SocketOptions,
        handler: RequestHandler,
        identify: Identify,
        *,
        guard: ConnectionGuard,
        max_messages_s: int,
        ban: Ban | None,
    ) -> None:
        self._context = context
        self._endpoint = endpoint
        self._options = replace(
            options,
            queue_messages=QUEUE_MESSAGES,
            max_message_bytes=MAX_REQUEST_BYTES,
            zap_domain=CONTROL_ZAP_DOMAIN if options.zap_domain else b"",
            ipv6=is_ipv6(endpoint),
            # A client that never reads must not keep its replies in memory for long.
            unacknowledged_ms=UNACKNOWLEDGED_MS,
        )
        self._handler = handler
        self._identify = identify
        self._guard = guard
        self._ban = ban
        # Without keys a peer may claim any user id: its address counts instead.
        self._who = address_of if ban is None else user_of
        self._port = split_endpoint(endpoint)[1]
        self._flood = FloodLimit(self._port, max_messages_s, ban, self.rebind)
        self._budgets = {op: RateLimit[bytes](rate_s, rate_s) for op, rate_s in BUDGETS_S.items()}
        self._others = RateLimit[bytes](OTHERS_S, OTHERS_S)
        # Counted before a request is parsed, which takes longer than reading it.
        total_s = OTHERS_S + sum(BUDGETS_S.values())
        self._all = RateLimit[bytes](total_s, total_s)
        self.dropped = DroppedMessages(self._port)
        """Requests beyond the budgets of their connection, which get no reply."""
        self.refused = 0
        """Malformed messages."""
        self._lost_replies = 0
        self._lost_log = LogLimiter(LOST_LOG_S)
        self._refusals_log = LogLimiter()
        self._rebind_requested = False
        self._next_unheard_s = 0.0
        self._pending: dict[int, _Pending] = {}
        self._tickets = 0
        self._finished: deque[tuple[int, Reply]] = deque(maxlen=2 * MAX_PENDING)
        self._thread = SocketThread("control", self._run)

    @property
    def pulse(self) -> Pulse:
        """Pulse of the thread."""
        return self._thread.pulse

    @property
    def error(self) -> BaseException | None:
        """The exception that ended the thread; None unless it failed."""
        return self._thread.error

    def start(self) -> None:
        """Start the thread and bind the address.

        Raises
        ------
        TransportError
            If the address cannot be bound.
        """
        self._handler.start()
        self._thread.start()

    def rebind(self) -> None:
        """Close all connections and bind again; clients that are still allowed reconnect."""
        self._rebind_requested = True
        self._thread.wake()

    def close(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Stop the thread and raise its exception unless `start` did; allowed before `start`.

        Parameters
        ----------
        timeout_s : float
            For this thread and those of the handler together.

        Raises
        ------
        WorkerError
            If one of the threads still runs after `timeout_s`.
        """
        until_s = time.monotonic() + timeout_s
        self._thread.stop()
        try:
            self._handler.close(timeout_s)
        finally:
            self._thread.join(max(LEAST_JOIN_S, until_s - time.monotonic()))

    def _run(self) -> None:
        bind_timeout_s = 0.0
        while not bind_timeout_s or self._rebind_requested:
            self._rebind_requested = False
            with open_socket(self._context, zmq.ROUTER, self._options) as router:
                # Otherwise libzmq silently drops a reply to a client that has disconnected.
                router.setsockopt(zmq.ROUTER_MANDATORY, 1)
                router.setsockopt(zmq.RCVBUF, RECEIVE_BUFFER_BYTES)
                with self._guard.guarding(
                    router,
                    self._port,
                    UNREAD_BYTES,
                    "requests",
                    self._ban,
                    tcp=not ipc_path(self._endpoint),
                ) as watch:
                    watch.on_mute = self._free_unheard
                    bind(router, self._endpoint, bind_timeout_s)
                    bind_timeout_s = REBIND_S
                    # The connections that these requests came from are closed.
                    self._pending.clear()
                    self._thread.opened()
                    self._serve(router, watch)
        if not self._thread.stopping and not threading.main_thread().is_alive():
            # The program ended without closing its publisher, which logs that.
            self._handler.close()

    def _serve(self, router: zmq.Socket[bytes], watch: Watch) -> None:
        poller = self._thread.poller(router)
        while not self._thread.stopping and not self._rebind_requested:
            self._thread.poll(poller, POLL_S)
            for _ in range(MAX_READ):
                if not self._read(router, watch):
                    break
            self._send_finished(router)
            self._handler.tick()
            if not threading.main_thread().is_alive():
                return

    def _read(self, router: zmq.Socket[bytes], watch: Watch) -> bool:
        """Handle one request; return False when none is waiting."""
        try:
            frames = router.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return False
        t1_ns = time.time_ns()
        routing_id, last = frames[0].bytes, frames[-1]
        # Without the routing id, which is no part of what the client sent.
        watch.took(descriptor_of(last), *map(len, frames[1:]))
        if not self._flood.admits(last, routing_id, watch):
            return True
        if not self._all.take(routing_id):
            self.dropped.add(routing_id, address_of(last), "messages")
            return True
        if len(frames) != 2:
            self._refuse(f"got a request of {len(frames) - 1} parts, want one")
            return True
        try:
            request = parse_request(last.buffer)
        except WireError as exc:
            self._refuse(str(exc))
            return True
        if not self._budgets.get(request.op, self._others).take(routing_id):
            op = request.op if request.op in BUDGETS_S else "other requests"
            self.dropped.add(routing_id, address_of(last), op)
            return True
        client = replace(self._identify(routing_id, user_of(last)), peer=self._who(last))
        if len(self._pending) >= MAX_PENDING and request.op in PASSED_ON:
            error = f"{MAX_PENDING} requests are pending already: try again later"
            self._send(router, routing_id, Reply(request.id, False, error))
            return True
        self._tickets += 1
        ticket = self._tickets
        deadline_s = time.monotonic() + PENDING_TIMEOUT_S
        self._pending[ticket] = _Pending(routing_id, request, deadline_s)
        reply = self._handler.answer(
            request, client, t1_ns, lambda reply: self._finish(ticket, reply)
        )
        if reply is not None:
            del self._pending[ticket]
            self._send(router, routing_id, reply)
        return True

    def _finish(self, ticket: int, reply: Reply) -> None:
        """Queue the reply to a pending request; called in the thread that carried it out."""
        self._finished.append((ticket, reply))
        self._thread.wake()

    def _free_unheard(self, unheard_bytes: int) -> None:
        """Bind again, to free what libzmq keeps of connections that nothing was read of."""
        now_s = time.monotonic()
        is_early = now_s < self._next_unheard_s and unheard_bytes < MOST_UNHEARD_BYTES
        if self._rebind_requested or is_early:
            return
        self._next_unheard_s = now_s + UNHEARD_REBIND_S
        log.warning("all control connections are closed: many ended unheard, and libzmq keeps "
                    "those that claimed the routing id of another one")  # fmt: skip
        # All come back at once, however many have the same key or address.
        self._guard.readmit()
        self.rebind()

    def _send_finished(self, router: zmq.Socket[bytes]) -> None:
        while self._finished:
            ticket, reply = self._finished.popleft()
            pending = self._pending.pop(ticket, None)
            if pending is not None:
                self._send(router, pending.client, reply)
        now_s = time.monotonic()
        for ticket, pending in list(self._pending.items()):
            if pending.request.op == "set" and now_s > pending.deadline_s:
                del self._pending[ticket]
                error = (
                    f"the camera did not confirm within {PENDING_TIMEOUT_S:g} s; "
                    "the change may still take effect, read the value back"
                )
                self._send(router, pending.client, Reply(pending.request.id, False, error))

    def _send(self, router: zmq.Socket[bytes], routing_id: bytes, reply: Reply) -> None:
        try:
            router.send_multipart([routing_id, pack_reply(reply)], zmq.NOBLOCK)
        except zmq.ZMQError:  # EHOSTUNREACH: client disconnected; EAGAIN: it does not read
            self._lost_replies += 1
            if self._lost_log.may_log():
                log.warning(
                    "lost a reply to a client that has left or does not read (%d so far)",
                    self._lost_replies,
                )

    def _refuse(self, reason: str) -> None:
        self.refused += 1
        if self._refusals_log.may_log():
            log.warning("refused a control message (%d so far): %s", self.refused, reason)
