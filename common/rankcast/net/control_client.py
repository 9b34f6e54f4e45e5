"""ControlClient: the client of a sender's control channel."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Final

import zmq

from rankcast.errors import NoStreamError, RequestRefusedError, WireError
from rankcast.frame import Scalar
from rankcast.net.link_monitor import Link, LinkMonitor
from rankcast.net.transport import (
    CurveClient,
    SocketOptions,
    check_endpoint,
    is_ipv6,
    new_context,
    open_socket,
)
from rankcast.wire import MAX_ID, Limits, Reply, Request, max_reply_bytes, pack_request, parse_reply

QUEUE_MESSAGES: Final = 16
BUFFER_BYTES: Final = 262_144
MAX_KEPT: Final = 64
"""Most replies to earlier requests that `call` keeps for `replies`; the oldest are dropped."""
MAX_DRAINED: Final = 256
MONITOR_S: Final = 0.1
"""Queue of monitor events; libzmq blocks when it is full."""

_NOTHING: Final[Mapping[str, Scalar]] = MappingProxyType({})


class ControlClient:
    """One connection to the control channel of a sender.

    Parameters
    ----------
    endpoint : str
        Address of the control channel, see `rankcast.net.transport.control_endpoint`.
    curve : CurveClient, optional
        Keys, if the sender requires them.
    limits : Limits
        Limits of a reply.
    context : zmq.Context, optional
        Owned by the caller; by default the client creates its own context.
    explain : bool
        Add the state of the connection to the error of `call`. Only for clients that use only
        `call`.

    Raises
    ------
    SettingsError
        If the address is not valid.
    TransportError
        If the system cannot open another socket.

    Notes
    -----
    Use and close it in the thread that created it. `send` and `replies` never block, and `socket`
    can be registered with a poller together with other sockets. libzmq reconnects automatically
    after a lost connection, but never after a protocol error: after silence, close the client and
    create a new one.
    """

    def __init__(
        self,
        endpoint: str,
        curve: CurveClient | None = None,
        *,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
        explain: bool = False,
    ) -> None:
        self.endpoint = check_endpoint(endpoint, bind=False)
        self.refused = 0
        """Number of malformed messages."""
        self.last_refusal = ""
        self._limits = limits
        self._next_id = 0
        self._kept: deque[Reply] = deque(maxlen=MAX_KEPT)
        self._context = new_context() if context is None else context
        self._owns_context = context is None
        self._monitor = LinkMonitor(keys=curve is not None) if explain else None
        options = SocketOptions(
            QUEUE_MESSAGES,
            BUFFER_BYTES,
            max_reply_bytes(limits),
            ipv6=is_ipv6(endpoint),
            curve=curve,
        )
        try:
            self.socket = open_socket(self._context, zmq.DEALER, options)
        except BaseException:
            if self._owns_context:
                self._context.term()
            raise
        try:
            # A request queued without a connection would be answered too late.
            self.socket.setsockopt(zmq.IMMEDIATE, 1)
            if self._monitor is not None:
                self._monitor.attach(self.socket)
            self.socket.connect(endpoint)
        except BaseException:
            self.close()
            raise

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
        try:
            self.socket.send(data, zmq.NOBLOCK)
        except zmq.Again:
            return None
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
    ) -> Reply:
        """Send one request and wait for its reply.

        Raises
        ------
        NoStreamError
            If no reply arrived within `timeout_s`.
        RequestRefusedError
            If the sender refused it.
        SettingsError
            As `send`.
        """
        deadline = time.monotonic() + timeout_s
        request_id = self.send(op, camera, args)
        while request_id is None and self._wait(zmq.POLLOUT, deadline):
            request_id = self.send(op, camera, args)
        while request_id is not None and self._wait(zmq.POLLIN, deadline):
            for reply in self._drain():
                if reply.id != request_id:
                    self._kept.append(reply)
                elif reply.ok:
                    return reply
                else:
                    raise RequestRefusedError(reply.error or f"the sender refused {op}")
        why = "" if request_id is None else " to the request that was sent"
        if self._monitor is not None and self._monitor.link is not Link.UP and self._monitor.detail:
            why = f": {self._monitor.detail}"
        if self.last_refusal:
            why = f"; {self.refused} messages were malformed, the last one: {self.last_refusal}"
        raise NoStreamError(f"nothing answered at {self.endpoint} within {timeout_s:g} s{why}")

    def close(self) -> None:
        """Close the connection; may be called twice."""
        if self._monitor is not None:
            self._monitor.detach()
        self.socket.close(0)
        if self._owns_context:
            self._context.term()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _drain(self) -> list[Reply]:
        found: list[Reply] = []
        for _ in range(MAX_DRAINED):
            try:
                found.append(parse_reply(self.socket.recv(zmq.NOBLOCK), self._limits))
            except zmq.Again:
                break
            except WireError as exc:
                self.refused += 1
                self.last_refusal = str(exc)
        return found

    def _wait(self, event: int, deadline: float) -> bool:
        while (remaining_s := deadline - time.monotonic()) > 0:
            if self._monitor is not None:
                self._monitor.read()
                remaining_s = min(remaining_s, MONITOR_S)
            if self.socket.poll(max(1, round(remaining_s * 1000)), event):
                return True
        return False
