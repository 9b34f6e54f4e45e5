"""LinkMonitor: the state of a connection, from the monitor events of libzmq."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from itertools import count
from typing import Any, Final

import zmq

from rankcast.net.monitor_event import next_event
from rankcast.net.transport import CONNECT_TIMEOUT_MS, HANDSHAKE_MS

GIVEN_UP_S: Final = 0.2
"""If libzmq reconnects, its retry event follows the end of a session within a millisecond; if none
arrives within this time, it has given up."""
HANDSHAKE_S: Final = 0.3
"""A handshake takes two round trips; a longer one is reported."""
MAX_EVENTS: Final = 256
"""Most events read at a time: a peer that accepts and hangs up must not delay the frames."""
SLOW: Final = 0.8
"""Share of the time-out after which a failed attempt counts as timed out."""

_EVENTS: Final = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_CONNECT_DELAYED
    | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_CLOSED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
_KEY_ERRORS: Final = (
    zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC,
    zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH,
)

_PAIRS: Final = count()
"""Numbers of the in-process addresses of monitor sockets."""

_CLOSED: Final = "the sender closed the connection"
_BROKEN: Final = (
    "this end closed the connection because a message was damaged, or longer than "
    "limits.max_packet_bytes allows"
)


class LinkState(Enum):
    """State of a connection."""

    CONNECTING = auto()
    HANDSHAKING = auto()
    """The other end accepted the connection, but the handshake is not complete."""
    UP = auto()
    CLOSED = auto()
    """The connection was up, and the other end closed it."""
    REFUSED = auto()
    """The machine answers, but nothing listens on that port."""
    UNREACHABLE = auto()
    KEY_REFUSED = auto()
    PROTOCOL_REFUSED = auto()
    FLOODED = auto()
    """This end closed the connection, because the other one sent too much."""


class LinkMonitor:
    """Tracks the connection of one socket, and of the sockets that replace it.

    A failure is reported until a handshake succeeds, because libzmq retries constantly and each
    attempt starts from a clean state.

    Parameters
    ----------
    keys : bool
        True if the socket uses CURVE.
    """

    def __init__(self, *, keys: bool, now_s: Callable[[], float] = time.monotonic) -> None:
        self.state = LinkState.CONNECTING
        self.detail = ""
        self.sessions = 0
        """Number of completed handshakes."""
        self.failures = 0
        """Number of attempts to connect that failed, and of connections that ended."""
        self.descriptor: int | None = None
        """File descriptor of the connection; None while there is none."""
        self.pair: zmq.Socket[Any] | None = None
        """Socket for a poller, readable when there are events."""
        self._keys = keys
        self._now_s = now_s
        self._since_s = now_s()
        self._watched: zmq.Socket[Any] | None = None
        self._dialled_s: float | None = None
        self._connected_s: float | None = None
        self._ended_s: float | None = None

    @property
    def ever_up(self) -> bool:
        """True if a sender at this address was ever connected."""
        return self.sessions > 0

    @property
    def age_s(self) -> float:
        """Seconds since the state last changed."""
        return self._now_s() - self._since_s

    @property
    def given_up(self) -> bool:
        """True if libzmq will not reconnect, so that a new socket is needed."""
        return self._ended_s is not None and self._now_s() - self._ended_s > GIVEN_UP_S

    def attach(self, socket: zmq.Socket[Any]) -> None:
        """Start tracking `socket`; call it before `connect`."""
        self.detach()
        address = f"inproc://rankcast-monitor-{next(_PAIRS)}"
        socket.monitor(address, _EVENTS)
        self._watched = socket
        self.pair = socket.context.socket(zmq.PAIR)
        # libzmq's only I/O thread, and whoever closes the socket, would wait for room in a full
        # queue of events; those of `get_monitor_socket` hold a thousand.
        self.pair.setsockopt(zmq.RCVHWM, 0)
        self.pair.connect(address)
        self._dialled_s = self._connected_s = self._ended_s = self.descriptor = None
        if self.state is LinkState.UP:
            self._become(LinkState.CONNECTING, "")

    def detach(self) -> None:
        """Stop tracking the socket; call it before the socket is closed. May be called twice."""
        self.descriptor = None
        if self._watched is not None:
            with suppress(zmq.ZMQError):  # already closed
                self._watched.disable_monitor()
            self._watched = None
        if self.pair is not None:
            self.pair.close(linger=0)
            self.pair = None

    def fail(self, state: LinkState, detail: str) -> None:
        """Record a failure that no event of libzmq reports."""
        self._become(state, detail)

    def read(self) -> bool:
        """Process all events; return True when the state has changed."""
        before = self.state
        for _ in range(MAX_EVENTS):
            if self.pair is None:
                break
            try:
                event = next_event(self.pair)
            except zmq.Again:
                break
            self._take(event.event, event.value)
        if (
            self._connected_s is not None
            and self._now_s() - self._connected_s > HANDSHAKE_S
            and self.state
            in (LinkState.CONNECTING, LinkState.CLOSED, LinkState.REFUSED, LinkState.UNREACHABLE)
        ):
            self._become(LinkState.HANDSHAKING, "")
        if self.state is LinkState.CLOSED and self.given_up and self.detail == _CLOSED:
            self.detail = _BROKEN
        return self.state is not before

    def _take(self, event: int, value: int) -> None:
        now = self._now_s()
        match event:
            case zmq.EVENT_CONNECT_DELAYED:
                self._dialled_s, self._connected_s, self._ended_s = now, None, None
            case zmq.EVENT_CONNECTED:
                self._connected_s, self._ended_s = now, None
                self._dialled_s = self._dialled_s or now
                self.descriptor = value
            case zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.sessions += 1
                self._connected_s = None
                self._become(LinkState.UP, "")
            case zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                self._connected_s = None
                self._become(LinkState.KEY_REFUSED, "the sender does not know this key")
            case zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
                self._connected_s = None
                if self.state is LinkState.UP:
                    # A message failed authentication: libzmq 4.3.5 accepts no more messages on this
                    # connection, and this is the only event that reports it.
                    self._ended_s = now
                    self._become(LinkState.CLOSED, "a message was damaged in transit")
                else:
                    self._protocol_failed(value)
            case zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
                self._handshake_failed(now)
                self._connected_s = None
            case zmq.EVENT_CLOSED:
                self._dial_failed(now)
            case zmq.EVENT_CONNECT_RETRIED:
                self._ended_s = None
                if self._dialled_s is None:
                    self.failures += 1
                    self._become(LinkState.UNREACHABLE, "no such interface, or no IPv6")
                self._dialled_s = None
            case zmq.EVENT_DISCONNECTED:
                self._disconnected(now)

    def _disconnected(self, now: float) -> None:
        self.failures += 1
        self._ended_s, self.descriptor = now, None
        if self.state is LinkState.UP:
            self._become(LinkState.CLOSED, _CLOSED)
        elif self._connected_s is not None:
            # Neither end reports this one as a failed handshake.
            self._become(
                LinkState.PROTOCOL_REFUSED,
                "another kind of socket; perhaps the ports of frames and control are mixed up",
            )
        self._connected_s = None

    def _dial_failed(self, now: float) -> None:
        self.failures += 1
        slow_s = CONNECT_TIMEOUT_MS / 1000 * SLOW
        if self._dialled_s is None:
            self._become(LinkState.UNREACHABLE, "no route to the host")
        elif now - self._dialled_s >= slow_s:
            self._become(LinkState.UNREACHABLE, "connecting timed out")
        else:
            self._become(LinkState.REFUSED, "the connection is refused")

    def _protocol_failed(self, code: int) -> None:
        if code == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
            wants = "uses no keys" if self._keys else "requires a key (--key, --server-key)"
            self._become(LinkState.KEY_REFUSED, f"the sender {wants}")
        elif code in _KEY_ERRORS:
            self._become(LinkState.KEY_REFUSED, "the key of the sender is not --server-key")
        else:
            self._become(
                LinkState.PROTOCOL_REFUSED,
                f"the other end speaks another protocol (libzmq code {code:#x})",
            )

    def _handshake_failed(self, now: float) -> None:
        slow_s = HANDSHAKE_MS / 1000 * SLOW
        if self._connected_s is not None and now - self._connected_s >= slow_s:
            if self.ever_up:
                self._become(LinkState.HANDSHAKING, "")
            else:
                self._become(
                    LinkState.PROTOCOL_REFUSED,
                    "the connection is accepted, but nothing answers: another service on that "
                    "port, a sender that hangs, or one that makes this key or address wait",
                )
        elif self.state is LinkState.KEY_REFUSED:
            # Either end may detect the mismatch first: keep the more precise reason.
            return
        elif self._keys:
            # A server with another key cannot report that.
            self._become(
                LinkState.KEY_REFUSED,
                "the connection was closed during the handshake: check --server-key and the port; "
                "perhaps the sender uses no keys",
            )
        else:
            self._become(
                LinkState.PROTOCOL_REFUSED,
                "the connection was closed during the handshake: perhaps the sender requires a key "
                "(--key, --server-key), the ports of frames and control are mixed up, or the port "
                "belongs to another service or a dead tunnel",
            )

    def _become(self, state: LinkState, detail: str) -> None:
        if state is not self.state:
            self._since_s = self._now_s()
        self.state, self.detail = state, detail
