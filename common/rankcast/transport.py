"""Socket options that both ends must agree on, and the addresses they take.

Every value here answers a measured trap of libzmq 4.3.5: see docs/adr/0003-transport.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import zmq

from rankcast.errors import SettingsError

DEFAULT_ENDPOINT: Final = "tcp://127.0.0.1:5555"
HANDSHAKE_MS: Final = 3000
"""Half-open connections hold a descriptor that long; libzmq's own default is 30 s."""
RECONNECT_MS: Final = 100
RECONNECT_MAX_MS: Final = 1000
CONNECT_TIMEOUT_MS: Final = 3000
UNACKNOWLEDGED_MS: Final = 5000
"""Of a live sender: a viewer that took nothing for that long is cut off and may come back."""
SUBSCRIPTION_BYTES: Final = 1024
"""Largest message that a sender takes from a viewer."""

_TCP = re.compile(r"tcp://(\[[0-9a-fA-F:.]+\]|[^:/\s]+):(\d{1,5})")


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """What differs between senders, live viewers and recorders."""

    queue_messages: int
    """High-water mark; small, since what queues is old."""
    buffer_bytes: int
    """Kernel buffer a connection: high-water marks alone do not bound latency, this does."""
    max_message_bytes: int
    ipv6: bool = False
    unacknowledged_ms: int = 0
    """TCP gives a connection up when data went unacknowledged for that long; 0 is the system's
    own limit, some fifteen minutes. What a dead link would replay later is dropped with it."""


def configure(socket: zmq.Socket[Any], options: SocketOptions) -> None:
    """Set all options; must come before bind and connect, later they have no effect."""
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, options.queue_messages)
    socket.setsockopt(zmq.RCVHWM, options.queue_messages)
    socket.setsockopt(zmq.SNDBUF, options.buffer_bytes)
    socket.setsockopt(zmq.RCVBUF, options.buffer_bytes)
    socket.setsockopt(zmq.MAXMSGSIZE, options.max_message_bytes)
    # No ZMTP heartbeats: in libzmq 4.3.5 a heartbeat on a connection whose queue is full when
    # the peer goes ends the process (assertion `!_io_error`). Status once a second and
    # `Subscriber`, which connects anew after silence, take their place.
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
    socket.setsockopt(zmq.CONNECT_TIMEOUT, CONNECT_TIMEOUT_MS)
    if options.unacknowledged_ms:
        socket.setsockopt(zmq.TCP_MAXRT, options.unacknowledged_ms)
    if options.ipv6:
        socket.setsockopt(zmq.IPV6, 1)


def check_endpoint(endpoint: str, *, bind: bool) -> str:
    """Return `endpoint` if it is an address that Rankcast takes.

    Raises
    ------
    SettingsError
        If it is not ``tcp://HOST:PORT``; ``*`` as host only for a bind.
    """
    match = _TCP.fullmatch(endpoint)
    if match is None or not 1 <= int(match[2]) <= 65535 or (match[1] == "*" and not bind):
        wanted = "tcp://ADDRESS:PORT" + (" or tcp://*:PORT" if bind else "")
        raise SettingsError(f"got address {endpoint!r:.80}, want {wanted}, port 1 to 65535")
    return endpoint


def is_ipv6(endpoint: str) -> bool:
    """True when `endpoint` holds an IPv6 address."""
    return endpoint.startswith("tcp://[")


def is_loopback(endpoint: str) -> bool:
    """True when only this machine can reach `endpoint`."""
    host = endpoint.removeprefix("tcp://").rpartition(":")[0]
    return host == "localhost" or host == "[::1]" or host.startswith("127.")
