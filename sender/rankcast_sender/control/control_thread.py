"""The one thread that owns the ROUTER socket: takes requests, sends replies."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import zmq

from rankcast.errors import WireError
from rankcast.net import UNACKNOWLEDGED_MS, SocketOptions, configure, is_ipv6
from rankcast.runtime import Pulse, Worker
from rankcast.wire import MAX_REQUEST_BYTES, Reply, Request, pack_reply, parse_request
from rankcast_sender.control.request_handler import Client, RequestHandler
from rankcast_sender.sockets import Context, Wakeup, bind, user_of

log = logging.getLogger(__name__)

QUEUE_MESSAGES: Final = 16
"""Replies that wait for one client; what it does not read beyond that is lost to it."""
MAX_READ: Final = 64
"""Requests in one turn: a client that sends nothing else must not hold up the replies."""
POLL_S: Final = 1.0
LATE_S: Final = 3.0
"""A camera that waits for a trigger may never come to a change: the client is told so."""
MAX_LATE: Final = 64
"""Requests under way that are answered later."""
COMPLAINT_INTERVAL_S: Final = 1.0
REBIND_S: Final = 2.0
START_TIMEOUT_S: Final = 5.0
STOP_TIMEOUT_S: Final = 5.0

Identify = Callable[[bytes, str], Client]


@dataclass(frozen=True, slots=True)
class _Late:
    client: bytes
    request: Request
    deadline_s: float


class ControlThread:
    """Serves the control channel of one sender.

    Parameters
    ----------
    context : zmq.Context
        Stays the caller's.
    endpoint : str
        Address to bind.
    options : SocketOptions
        Buffer and keys; queue and limit are those of control messages.
    desk : RequestHandler
        Answers.
    identify : callable
        Who is behind a routing id and the user id that authentication gave to its connection, which
        is empty without any; asked for every request, so that a role that is taken away counts at
        once.
    """

    def __init__(
        self,
        context: Context,
        endpoint: str,
        options: SocketOptions,
        desk: RequestHandler,
        identify: Identify,
    ) -> None:
        self._context = context
        self._endpoint = endpoint
        self._options = replace(
            options,
            queue_messages=QUEUE_MESSAGES,
            max_message_bytes=MAX_REQUEST_BYTES,
            ipv6=is_ipv6(endpoint),
            # A client that asks and never reads must not hold its replies in memory for long.
            unacknowledged_ms=UNACKNOWLEDGED_MS,
        )
        self._desk = desk
        self._identify = identify
        self.refused = 0
        """Messages that were no requests."""
        self.lost_replies = 0
        """Replies to clients that were gone or did not read."""
        self._complained = float("-inf")
        self._closing = False
        self._rebind_asked = False
        self._late: dict[int, _Late] = {}
        self._tickets = 0
        self._finished: deque[tuple[int, Reply]] = deque(maxlen=2 * MAX_LATE)
        self._bound = threading.Event()
        self._wakeup = Wakeup()
        self.pulse = Pulse("control")
        self._worker = Worker("rankcast-control", self._run, self._ended)

    @property
    def error(self) -> BaseException | None:
        """What the thread died of, if it did."""
        return self._worker.error

    def start(self) -> None:
        """Bind the address and start the thread.

        Raises
        ------
        TransportError
            If the address cannot be bound.
        """
        self._desk.start()
        self._worker.start()
        self._bound.wait(START_TIMEOUT_S)
        if self._worker.error is not None or not self._bound.is_set():
            self._worker.join(START_TIMEOUT_S)

    def rebind(self) -> None:
        """Drop every connection and listen anew: clients that may, come back by themselves."""
        self._rebind_asked = True
        self._wakeup.ring()

    def close(self) -> None:
        """Stop, and raise what the thread died of; may be called before `start`."""
        self._closing = True
        self._wakeup.ring()
        try:
            self._desk.close()
        finally:
            try:
                self._worker.join(STOP_TIMEOUT_S)
            finally:
                self._wakeup.close()

    def _run(self) -> None:
        first = True
        while first or self._rebind_asked:
            self._rebind_asked = False
            with self._context.socket(zmq.ROUTER) as router:
                configure(router, self._options)
                # Without it a reply to a client that is gone, or full, is lost without a word.
                router.setsockopt(zmq.ROUTER_MANDATORY, 1)
                bind(router, self._endpoint, 0.0 if first else REBIND_S)
                first = False
                self._bound.set()
                # Whoever asked over the connections of before cannot be reached any more.
                self._late.clear()
                self._serve(router)
        if not self._closing and not threading.main_thread().is_alive():
            # The program ended without closing its publisher, which says so.
            self._desk.close()

    def _ended(self) -> None:
        self.pulse.rest()
        self._bound.set()

    def _serve(self, router: zmq.Socket[bytes]) -> None:
        poller = zmq.Poller()
        poller.register(router, zmq.POLLIN)
        poller.register(self._wakeup.fileno(), zmq.POLLIN)
        while not self._closing and not self._rebind_asked:
            self.pulse.beat()
            poller.poll(round(POLL_S * 1000))
            self._wakeup.answer()
            for _ in range(MAX_READ):
                if not self._read(router):
                    break
            self._finish_late(router)
            self._desk.tick()
            if not threading.main_thread().is_alive():
                return

    def _read(self, router: zmq.Socket[bytes]) -> bool:
        try:
            frames = router.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return False
        t1_ns = time.time_ns()
        client = frames[0].bytes
        if len(frames) != 2:
            self._refuse(f"got a request of {len(frames) - 1} parts, want one")
            return True
        try:
            request = parse_request(frames[1].buffer)
        except WireError as exc:
            self._refuse(str(exc))
            return True
        asked = self._identify(client, user_of(frames[1]))
        self._tickets += 1
        ticket = self._tickets
        if len(self._late) >= MAX_LATE and request.op in ("set", "original"):
            self._say(router, client, Reply(request.id, False, "too many requests are under way"))
            return True
        self._late[ticket] = _Late(client, request, time.monotonic() + LATE_S)
        reply = self._desk.answer(request, asked, t1_ns, lambda reply: self._finish(ticket, reply))
        if reply is not None:
            del self._late[ticket]
            self._say(router, client, reply)
        return True

    def _finish(self, ticket: int, reply: Reply) -> None:
        # In the thread of whoever did it.
        self._finished.append((ticket, reply))
        self._wakeup.ring()

    def _finish_late(self, router: zmq.Socket[bytes]) -> None:
        while self._finished:
            ticket, reply = self._finished.popleft()
            late = self._late.pop(ticket, None)
            if late is not None:
                self._say(router, late.client, reply)
        now = time.monotonic()
        for ticket, late in list(self._late.items()):
            if late.request.op == "set" and now > late.deadline_s:
                del self._late[ticket]
                why = f"the camera did not come to it within {LATE_S:g} s, and may still: read back"
                self._say(router, late.client, Reply(late.request.id, False, why))

    def _say(self, router: zmq.Socket[bytes], client: bytes, reply: Reply) -> None:
        try:
            router.send_multipart([client, pack_reply(reply)], zmq.NOBLOCK)
        except zmq.ZMQError:  # EHOSTUNREACH: it is gone; EAGAIN: it does not read
            self.lost_replies += 1

    def _refuse(self, why: str) -> None:
        self.refused += 1
        now = time.monotonic()
        if now - self._complained >= COMPLAINT_INTERVAL_S:
            self._complained = now
            log.warning("refused a control message (%d so far): %s", self.refused, why)
