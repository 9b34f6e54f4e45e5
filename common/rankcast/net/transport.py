"""Addresses, and the ZeroMQ options and CURVE keys common to both ends.

Every value avoids a measured pitfall of libzmq 4.3.5: see docs/adr/0003-transport.md.
"""

from __future__ import annotations

import ctypes
import ipaddress
import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import zmq

from rankcast.credentials import shown_address
from rankcast.errors import SettingsError, TransportError

DEFAULT_ENDPOINT: Final = "tcp://127.0.0.1:5555"
HANDSHAKE_MS: Final = 3000
"""Half-open connections occupy a descriptor for this long; libzmq's own default is 30 s."""
RECONNECT_MS: Final = 100
RECONNECT_MAX_MS: Final = 1000
CONNECT_TIMEOUT_MS: Final = 3000
UNACKNOWLEDGED_MS: Final = 5000
"""Live sender: a viewer that acknowledges nothing for this long is disconnected; it may return."""
LOSSLESS_UNACKNOWLEDGED_MS: Final = 60_000
"""Lossless sender: long enough for a slow disk, short enough that a vanished viewer does not block
the others for long."""
CONTROL_PORT_OFFSET: Final = 10
"""Control port minus frames port, unless the settings name a control address."""
SUBSCRIPTION_BYTES: Final = 1024
"""Largest message that a sender accepts from a viewer."""

ZAP_DOMAIN: Final = b"rankcast"
"""A non-empty domain, because otherwise libzmq would accept every key while no authenticator
runs."""
CONTROL_ZAP_DOMAIN: Final = b"rankcast-control"
"""That of a control socket: the authenticator limits its connections on their own."""
ZAP_DOMAINS: Final = (ZAP_DOMAIN, CONTROL_ZAP_DOMAIN)
LEAST_LIBZMQ: Final = (4, 3, 5)
DESCRIPTORS: Final = 32
"""Free file descriptors that a context needs: libzmq aborts the process if it cannot open one. Two
threads, the sockets, their listeners and the first connections need about twenty."""
ZERO_COPY_RECV: Final = 10
"""Option of a context for which pyzmq has no name."""

_IPC_PREFIX: Final = "ipc://"
_IPC_CONTROL: Final = ".control"
"""Behind the path of the frames: the socket of the control channel."""
_IPC: Final = re.compile(r"ipc://(/[\w./ -]{1,90})")
"""Absolute, and short enough for a Unix socket with `_IPC_CONTROL` behind it."""
_TCP: Final = re.compile(r"tcp://(\[[0-9a-fA-F:.]+(?:%[\w.-]{1,32})?\]|\*|[\w.-]{1,255}):(\d{1,5})")
"""IPv6 addresses stand in brackets and may name the interface of a link-local one after a ``%``."""


@dataclass(frozen=True, slots=True)
class CurveServer:
    """Keys of the end that binds; its authenticator accepts or rejects each connection."""

    secret: bytes = field(repr=False)
    """40 characters of Z85."""
    public: bytes


@dataclass(frozen=True, slots=True)
class CurveClient:
    """Keys of the end that connects, and the only server key it trusts."""

    secret: bytes = field(repr=False)
    public: bytes
    server_public: bytes


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """Options that differ between senders, live viewers and recorders."""

    queue_messages: int
    """High-water mark for sending; small, because queued frames are old frames."""
    buffer_bytes: int
    """Kernel buffer of each connection: high-water marks alone do not bound latency."""
    max_message_bytes: int
    ipv6: bool = False
    unacknowledged_ms: int = 0
    """TCP closes a connection whose data stay unacknowledged for this long, and discards what it
    would deliver late; 0 selects the system's limit, about fifteen minutes."""
    curve: CurveServer | CurveClient | None = None
    """CURVE keys; without them traffic is unencrypted."""
    zap_domain: bytes = b""
    """libzmq asks the authenticator of the context about each connection, in this domain, and
    accepts none without one. With the keys of a server it always does, by default in `ZAP_DOMAIN`.
    """


def new_context() -> zmq.Context[zmq.Socket[bytes]]:
    """Return a new ZeroMQ context.

    Raises
    ------
    TransportError
        If the process has too few free file descriptors for it.
    """
    held: list[int] = []
    try:
        held.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(DESCRIPTORS))
    except OSError as exc:
        raise TransportError(
            f"{exc.strerror}: {len(held)} file descriptors are free, "
            f"want at least {DESCRIPTORS}; raise the limit (ulimit -n, LimitNOFILE=)"
        ) from exc
    finally:
        for descriptor in held:
            os.close(descriptor)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    # With zero copy, each small message that waits to be read keeps the buffer of 8 KiB that it
    # arrived in: 60,000 pings took 210 MB instead of 18. Large messages have their own either way.
    with suppress(zmq.ZMQError):
        context.set(ZERO_COPY_RECV, 0)
    return context


def open_socket(
    context: zmq.Context[zmq.Socket[bytes]], kind: int, options: SocketOptions
) -> zmq.Socket[bytes]:
    """Open a socket and set all options; the caller closes it, in the same thread.

    Raises
    ------
    SettingsError
        If the ZeroMQ library cannot use keys.
    TransportError
        If the system cannot open another socket.
    """
    if kind == zmq.ROUTER:
        _seed_routing_ids()
    try:
        socket = context.socket(kind)
    except zmq.ZMQError as exc:
        raise TransportError(f"cannot open a socket: {exc.strerror}") from exc
    try:
        configure(socket, options)
    except BaseException:
        with suppress(zmq.ZMQError):
            socket.close(0)
        raise
    return socket


def _seed_routing_ids() -> None:
    """Make the routing ids of the ROUTER socket that is opened next unpredictable.

    libzmq 4.3.5 numbers clients from a value of the C library's rand(), which it does not seed: the
    same in every process. A client may claim any routing id, and if it claims the next number, the
    client after it aborts the process (assertion `ok` in add_out_pipe); see docs/adr/0014.
    """
    library = ctypes.cdll.ucrtbase if sys.platform == "win32" else ctypes.CDLL(None)
    library.srand(ctypes.c_uint(int.from_bytes(os.urandom(4), "little")))


def configure(socket: zmq.Socket[Any], options: SocketOptions) -> None:
    """Set all options; call it before bind or connect, after which they have no effect."""
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, options.queue_messages)
    # Receive pipes are unbounded. libzmq 4.3.5 stops reading behind a full one, and a PING in what
    # it has read already, followed by a reset, then aborts the process (assertion `!_io_error`):
    # any peer that may connect can do that. The owner of a socket drains it without pause into a
    # bounded queue of its own instead; see docs/adr/0014.
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.SNDBUF, options.buffer_bytes)
    socket.setsockopt(zmq.RCVBUF, options.buffer_bytes)
    socket.setsockopt(zmq.MAXMSGSIZE, options.max_message_bytes)
    # No ZMTP heartbeats: the status message once a second, and `Subscriber`, which reconnects
    # after silence, take their place.
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
    socket.setsockopt(zmq.CONNECT_TIMEOUT, CONNECT_TIMEOUT_MS)
    if options.unacknowledged_ms:
        socket.setsockopt(zmq.TCP_MAXRT, options.unacknowledged_ms)
    if options.ipv6:
        socket.setsockopt(zmq.IPV6, 1)
    if options.curve is not None:
        _set_keys(socket, options.curve)
    if options.zap_domain or isinstance(options.curve, CurveServer):
        # Without enforcement, a sender whose authenticator has ended would accept everybody.
        socket.setsockopt(zmq.ZAP_DOMAIN, options.zap_domain or ZAP_DOMAIN)
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)


def _set_keys(socket: zmq.Socket[Any], keys: CurveServer | CurveClient) -> None:
    check_curve()
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
    if isinstance(keys, CurveClient):
        socket.setsockopt(zmq.CURVE_SERVERKEY, keys.server_public)
        return
    socket.setsockopt(zmq.CURVE_SERVER, 1)


def check_curve() -> None:
    """Check that the ZeroMQ library of this machine supports keys securely.

    Raises
    ------
    SettingsError
        If it lacks CURVE, or is older than the first acceptable version.
    """
    if not zmq.has("curve"):
        raise SettingsError("the ZeroMQ library of this machine lacks CURVE: keys cannot be used")
    if zmq.zmq_version_info() < LEAST_LIBZMQ:
        least = ".".join(map(str, LEAST_LIBZMQ))
        raise SettingsError(f"got ZeroMQ {zmq.zmq_version()}, want {least} or later to use keys")


def check_endpoint(endpoint: str, *, bind: bool) -> str:
    """Return `endpoint` if it is a valid address.

    Raises
    ------
    SettingsError
        If it is neither ``tcp://HOST:PORT``, where the host ``*`` is allowed only to bind, nor
        ``ipc:///PATH``.
    """
    if endpoint.startswith(_IPC_PREFIX):
        return _check_ipc(endpoint)
    match = _TCP.fullmatch(endpoint)
    if (
        match is None
        or not 1 <= int(match[2]) <= 65535
        or (match[1] == "*" and not bind)
        or (match[1].startswith("[") and not _is_address(match[1].strip("[]")))
    ):
        wanted = "tcp://ADDRESS:PORT" + (" or tcp://*:PORT" if bind else "")
        raise SettingsError(
            f"got address {shown_address(endpoint)!r:.80}, want {wanted}, port 1 to 65535"
        )
    return endpoint


def _check_ipc(endpoint: str) -> str:
    if not zmq.has("ipc"):
        shown = shown_address(endpoint)
        raise SettingsError(f"got address {shown!r:.80}: this system has no Unix sockets")
    if not _IPC.fullmatch(endpoint):
        raise SettingsError(
            f"got address {shown_address(endpoint)!r:.120}, want ipc:///PATH, absolute, at most 90 "
            "characters"
        )
    return endpoint


def ipc_path(endpoint: str) -> str:
    """Return the path of a Unix socket; empty if the address is another one."""
    return endpoint.removeprefix(_IPC_PREFIX) if endpoint.startswith(_IPC_PREFIX) else ""


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Return host and port of a valid address; an IPv6 address loses its brackets.

    The host of ``ipc://`` is the address of the frames, the port 0 or, of the control channel,
    `CONTROL_PORT_OFFSET`.
    """
    if endpoint.startswith(_IPC_PREFIX):
        if endpoint.endswith(_IPC_CONTROL):
            return endpoint.removesuffix(_IPC_CONTROL), CONTROL_PORT_OFFSET
        return endpoint, 0
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    return host.strip("[]"), int(port)


def join_endpoint(host: str, port: int) -> str:
    """Return the address of `port` at `host`, which may be an IPv6 address without brackets."""
    if host.startswith(_IPC_PREFIX):
        return f"{host}{_IPC_CONTROL}" if port else host
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def control_endpoint(frames_endpoint: str) -> str:
    """Return the control address of the sender whose frames address is `frames_endpoint`.

    Raises
    ------
    SettingsError
        If its port would be above 65535.
    """
    if frames_endpoint.startswith(_IPC_PREFIX):
        return f"{frames_endpoint}{_IPC_CONTROL}"
    host, _, port = frames_endpoint.rpartition(":")
    if int(port) + CONTROL_PORT_OFFSET > 65535:
        raise SettingsError(
            f"got port {port} for frames, which leaves no port {CONTROL_PORT_OFFSET} above it "
            "for control: give --control an address, or off"
        )
    return f"{host}:{int(port) + CONTROL_PORT_OFFSET}"


def is_ipv6(endpoint: str) -> bool:
    """Return True if `endpoint` contains an IPv6 address."""
    return endpoint.startswith("tcp://[")


def is_loopback(endpoint: str) -> bool:
    """Return True if only this machine can reach `endpoint`.

    Of host names only localhost counts, whatever other names resolve to.
    """
    host, _ = split_endpoint(endpoint)
    if host.startswith(_IPC_PREFIX):
        return True
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def check_exposure(endpoint: str, *, keys: bool, insecure: bool) -> None:
    """Check that an address reachable from other machines is protected by keys.

    Raises
    ------
    SettingsError
        If there are no keys and `insecure` is False.
    """
    if keys or insecure or is_loopback(endpoint):
        return
    raise SettingsError(
        f"{endpoint} can be reached from other machines: make keys with `rankcast keys new` and "
        "give --key and --authorized, or give --insecure to let anybody watch and control"
    )
