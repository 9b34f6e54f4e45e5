"""Socket options and CURVE keys that both ends must agree on, and the addresses they take.

Every value here answers a measured trap of libzmq 4.3.5: see docs/adr/0003-transport.md.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
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
LOSSLESS_UNACKNOWLEDGED_MS: Final = 60_000
"""Where every frame counts: a slow disk passes in that time, and a viewer that has vanished holds
up all others no longer."""
CONTROL_PORT_OFFSET: Final = 10
"""The control channel is that far above the port of the frames, unless settings say otherwise."""
SUBSCRIPTION_BYTES: Final = 1024
"""Largest message that a sender takes from a viewer."""

ZAP_DOMAIN: Final = b"rankcast"
"""Only with a domain that is not empty does libzmq refuse everybody when no authenticator runs."""
LEAST_LIBZMQ: Final = (4, 3, 5)

_TCP = re.compile(r"tcp://(\[[0-9a-fA-F:.]+\]|[^:/\s]+):(\d{1,5})")


@dataclass(frozen=True, slots=True)
class CurveServer:
    """Keys of an end that others connect to and that asks its authenticator for each of them."""

    secret: bytes = field(repr=False)
    """40 characters of Z85."""
    public: bytes


@dataclass(frozen=True, slots=True)
class CurveClient:
    """Keys of an end that connects, with the one key that it takes for the server's."""

    secret: bytes = field(repr=False)
    public: bytes
    server_public: bytes


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
    curve: CurveServer | CurveClient | None = None
    """Keys; without them everything is readable, and whoever connects is taken in."""


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
    if options.curve is not None:
        _secure(socket, options.curve)


def _secure(socket: zmq.Socket[Any], keys: CurveServer | CurveClient) -> None:
    check_curve()
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
    if isinstance(keys, CurveClient):
        socket.setsockopt(zmq.CURVE_SERVERKEY, keys.server_public)
        return
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    # Without the second, a sender whose authenticator is gone would take every key.
    socket.setsockopt(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)


def check_curve() -> None:
    """Refuse to go on where the ZeroMQ of this machine cannot do what keys promise.

    Raises
    ------
    SettingsError
        If it has no CURVE, or is older than the version whose faults are known.
    """
    if not zmq.has("curve"):
        raise SettingsError("the ZeroMQ library of this machine has no CURVE: keys cannot be used")
    if zmq.zmq_version_info() < LEAST_LIBZMQ:
        least = ".".join(map(str, LEAST_LIBZMQ))
        raise SettingsError(f"got ZeroMQ {zmq.zmq_version()}, want {least} or later to use keys")


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


def control_endpoint(frames_endpoint: str) -> str:
    """Address of the control channel of a sender whose frames are at `frames_endpoint`.

    Raises
    ------
    SettingsError
        If there is no port that much higher.
    """
    host, _, port = frames_endpoint.rpartition(":")
    if int(port) + CONTROL_PORT_OFFSET > 65535:
        raise SettingsError(
            f"got port {port} for frames, and no control port {CONTROL_PORT_OFFSET} above it: "
            "give its address (--control), or off"
        )
    return f"{host}:{int(port) + CONTROL_PORT_OFFSET}"


def is_ipv6(endpoint: str) -> bool:
    """True when `endpoint` holds an IPv6 address."""
    return endpoint.startswith("tcp://[")


def is_loopback(endpoint: str) -> bool:
    """True when only this machine can reach `endpoint`.

    A name other than localhost is never taken for one, whatever it resolves to at the moment.
    """
    host = endpoint.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(endpoint: str, *, keys: bool, insecure: bool) -> None:
    """Refuse to listen where others can reach it without keys.

    Raises
    ------
    SettingsError
        If there are neither keys nor the word that none are wanted.
    """
    if keys or insecure or is_loopback(endpoint):
        return
    raise SettingsError(
        f"{endpoint} can be reached by others: make keys with `rankcast keys new` and give "
        "--key and --authorized, or say --insecure to let everybody watch and control"
    )
