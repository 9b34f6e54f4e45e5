"""ControlClient: the client of a sender's control channel."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, Final

import zmq

from rankcast.errors import NoStreamError, RequestRefusedError, WireError
from rankcast.frame import Scalar
from rankcast.net.context_end import end_context
from rankcast.net.host_name import LookUp, look_up
from rankcast.net.link import Link, LinkOptions
from rankcast.net.link_monitor import LinkState
from rankcast.net.transport import (
    CurveClient,
    SocketOptions,
    check_endpoint,
    is_ipv6,
    new_context,
    open_socket,
)
from rankcast.wire import MAX_ID, Limits, Reply, Request, max_reply_bytes, pack_request, parse_reply

QUEUE_MESSAGES: Final = 128
"""Requests that may wait for the connection: a receiver of 64 cameras sends a report and credit
for each of them once a second."""
BUFFER_BYTES: Final = 262_144
MAX_KEPT: Final = 64
"""Most replies to earlier requests that `call` keeps for `replies`; the oldest are dropped."""
MAX_DRAINED: Final = 256
TICK_S: Final = 0.1
SILENCE_S: Final = 5.0
SILENCE_MAX_S: Final = 20.0
"""A connection is replaced if nothing is answered for this long: a client asks once a second, as
`ControlLink` does, or waits for one reply."""
MAX_MESSAGES_S: Final = 2000
"""Far more than the replies to all requests of a client."""

_NOTHING: Final[Mapping[str, Scalar]] = MappingProxyType({})


class ControlClient:
    """One connection to the control channel of a sender.

    Parameters
    ----------
    endpoint : str
        Address of the control channel, see `rankcast.net.transport.control_endpoint`.
    curves : CurveClient or sequence of CurveClient, optional
        Keys, if the sender requires them; each new connection tries the next.
    limits : Limits
        Limits of a reply.
    context : zmq.Context, optional
        Owned by the caller; by default the client creates its own context.
    look_up, wake : callable
        See `rankcast.net.link.LinkOptions`.

    Raises
    ------
    SettingsError
        If the address is not valid.
    TransportError
        If the system cannot open another socket.

    Notes
    -----
    Use and close it in the thread that created it. `send` and `replies` never block, and `sockets`
    can be registered with a poller together with other sockets. Call `tick` several times a second:
    it replaces connections that have failed.

    A request belongs to the session in which it was sent. When that ends, whatever libzmq has not
    sent yet is dropped with the socket: otherwise it would reach whoever listens at that address
    next, after `call` has reported it as failed. What remains is a session that ends and a new one
    that begins between two ticks; `call` ticks ten times a second, and libzmq waits for a tenth of
    a second before it reconnects.
    """

    def __init__(
        self,
        endpoint: str,
        curves: CurveClient | Sequence[CurveClient] | None = None,
        *,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
        look_up: LookUp = look_up,
        wake: Callable[[], object] = lambda: None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoint = check_endpoint(endpoint, bind=False)
        self.refused = 0
        """Number of malformed messages."""
        self.last_refusal = ""
        self._limits = limits
        self._curves = (curves,) if isinstance(curves, CurveClient) else tuple(curves or ())
        self._next_id = 0
        self._kept: deque[Reply] = deque(maxlen=MAX_KEPT)
        self._late: list[Reply] = []
        """Replies that were read before their socket was closed."""
        self._sent: tuple[int, int] | None = None
        """Socket and session of the latest request; None once that session has ended."""
        self._context = new_context() if context is None else context
        self._owns_context = context is None
        self._now_s = now_s
        options = LinkOptions(
            SILENCE_S,
            SILENCE_MAX_S,
            MAX_MESSAGES_S,
            max_reply_bytes(limits),
            len(self._curves),
            look_up,
            wake,
        )
        try:
            self.link = Link(endpoint, self._make, options, now_s=now_s)
            """State of the connection."""
        except BaseException:
            if self._owns_context:
                end_context(self._context)
            raise

    @property
    def sockets(self) -> list[zmq.Socket[Any]]:
        """All sockets, for a poller; they change when `tick` returns True."""
        return self.link.sockets

    @property
    def sessions(self) -> int:
        """How often the connection was established."""
        return self.link.sessions

    def worked(self) -> None:
        """Note that a reply has made sense."""
        self.link.worked()

    @property
    def socket(self) -> zmq.Socket[Any]:
        """The socket of the current connection.

        Raises
        ------
        NoStreamError
            If the name of the host is not resolved yet.
        """
        if self.link.socket is None:
            raise NoStreamError(f"no connection to {self.endpoint}: {self.link.detail or 'wait'}")
        return self.link.socket

    def tick(self) -> bool:
        """Replace the connection if that is due; return True when `sockets` has changed."""
        return self._tick(quiet=False)

    def send(self, op: str, camera: str = "", args: Mapping[str, Scalar] = _NOTHING) -> int | None:
        """Send one request without blocking.

        Returns
        -------
        int or None
            Request id, which the reply repeats; None if there is no connection that accepts it.

        Raises
        ------
        SettingsError
            If the request exceeds 8 KiB or holds values that cannot be sent.
        """
        request_id = self._next_id
        data = pack_request(Request(request_id, op, camera, args))
        # A request queued without a connection would be answered too late.
        self.link.look()
        if self.link.socket is None or not self._may_send:
            return None
        try:
            self.link.socket.send(data, zmq.NOBLOCK)
        except zmq.Again:
            return None
        self._sent = self._session
        self._next_id = (request_id + 1) & MAX_ID
        return request_id

    def replies(self) -> list[Reply]:
        """Return the replies received so far without blocking; `refused` counts malformed ones."""
        found = list(self._kept)
        self._kept.clear()
        return found + self._drain()

    def call(
        self,
        op: str,
        camera: str = "",
        args: Mapping[str, Scalar] = _NOTHING,
        *,
        timeout_s: float,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Reply:
        """Send one request and wait for its reply.

        Parameters
        ----------
        op, camera, args
            See `Request`.
        timeout_s : float
        stopped : callable
            Called ten times a second; True ends the wait.

        Raises
        ------
        NoStreamError
            If no reply arrived within `timeout_s`, or the connection ended before it. The sender
            may have carried out the request; it will not do so later, unless it has it already.
        RequestRefusedError
            If the sender refused it.
        SettingsError
            As `send`.
        """
        deadline = time.monotonic() + timeout_s
        request_id = self.send(op, camera, args)
        while request_id is None and self._make_room(deadline, stopped):
            request_id = self.send(op, camera, args)
        while request_id is not None and self._wait(deadline, stopped):
            for reply in self._drain():
                if reply.id != request_id:
                    self._kept.append(reply)
                elif reply.ok:
                    return reply
                else:
                    raise RequestRefusedError(reply.error or f"the sender refused {op}")
        if request_id is not None and self._sent is None:
            raise NoStreamError(
                f"the connection to {self.endpoint} ended before the reply to the request that was "
                f"sent: {self.link.detail or 'it was replaced'}"
            )
        why = "" if request_id is None else " to the request that was sent"
        if self.link.state is not LinkState.UP and self.link.detail:
            why = f": {self.link.detail}"
        if self.last_refusal:
            why = f"; {self.refused} messages were malformed, the last one: {self.last_refusal}"
        raise NoStreamError(f"nothing answered at {self.endpoint} within {timeout_s:g} s{why}")

    def close(self) -> None:
        """Close the connection; may be called twice.

        Raises
        ------
        WorkerError
            If libzmq does not end; see `end_context`.
        """
        self.link.close()
        if self._owns_context and not self._context.closed:
            end_context(self._context)

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _make(self, address: str, number: int) -> zmq.Socket[Any]:
        options = SocketOptions(
            QUEUE_MESSAGES,
            BUFFER_BYTES,
            max_reply_bytes(self._limits),
            ipv6=is_ipv6(address),
            curve=self._curves[number % len(self._curves)] if self._curves else None,
        )
        # Never set IMMEDIATE: libzmq then ends a pipe between two parts of a message that is being
        # read, and its own assertion in fq.cpp ends the process.
        return open_socket(self._context, zmq.DEALER, options)

    @property
    def _session(self) -> tuple[int, int]:
        return self.link.replaced, self.link.sessions

    @property
    def _may_send(self) -> bool:
        """True while the connection is up, and nothing of an earlier session is queued."""
        return self.link.state is LinkState.UP and self._sent in (None, self._session)

    def _tick(self, *, quiet: bool) -> bool:
        self.link.look()
        if self._sent is not None and not self._may_send:
            self._late = self._drain()
            self._sent = None
            self.link.drop()
            return True
        changed = self.link.tick(quiet=quiet)
        if self._sent is not None and self._sent[0] != self.link.replaced:
            self._sent = None
        return changed

    def _drain(self) -> list[Reply]:
        found, self._late = self._late, []
        for _ in range(MAX_DRAINED):
            if self.link.socket is None:
                break
            try:
                message = self.link.socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            self.link.heard(len(message), self._now_s())
            try:
                found.append(parse_reply(message, self._limits))
                self.link.worked()
            except WireError as exc:
                self.refused += 1
                self.last_refusal = str(exc)
        return found

    def _make_room(self, deadline: float, stopped: Callable[[], bool]) -> bool:
        """Wait for a connection that accepts a request; False when time is up."""
        while (remaining_s := deadline - time.monotonic()) > 0 and not stopped():
            self.tick()
            if self.link.state is not LinkState.UP:
                self._poll(remaining_s)
            elif self.link.socket in self._poll(remaining_s, zmq.POLLOUT):
                return True
        return False

    def _wait(self, deadline: float, stopped: Callable[[], bool]) -> bool:
        """Wait for a reply; False when time is up."""
        while (remaining_s := deadline - time.monotonic()) > 0 and not stopped():
            # A connection that has taken the request is kept for as long as the caller waits.
            self._tick(quiet=True)
            if self._late:
                return True
            if self._sent is None:
                return False
            if self.link.socket in self._poll(remaining_s):
                return True
        return False

    def _poll(self, remaining_s: float, awaited: int = zmq.POLLIN) -> dict[Any, int]:
        """Wait for the peer or an event of the monitor, at most until the next tick."""
        poller = zmq.Poller()
        for socket in self.sockets:
            poller.register(socket, awaited if socket is self.link.socket else zmq.POLLIN)
        return dict(poller.poll(max(1, round(min(remaining_s, TICK_S) * 1000))))
