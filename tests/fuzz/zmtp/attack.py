"""Carries out the plan of one hostile connection, as the end that connects or that binds."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from fuzz.zmtp.curve import HELLO_BYTES, CurveClient, CurveServer
from fuzz.zmtp.frames import COMMAND, GREETING_BYTES, command, frame, greeting, metadata
from fuzz.zmtp.plan import Body, Depth, Ending, Plan

TIMEOUT_S = 2.0
WELCOME_FRAME_BYTES = 170

Seal = Callable[[bytes, int], bytes]


@dataclass(frozen=True)
class Keys:
    """Keys of a peer that the other end admits."""

    secret: bytes
    server_public: bytes


class RejectedError(Exception):
    """The other end closed the connection before the plan was carried out."""


def strike(link: socket.socket, plan: Plan, keys: Keys | None, *, serving: bool) -> bool:
    """Carry out `plan` on a connection; return True if all of it was sent.

    Parameters
    ----------
    link : socket
        Connected; the caller closes it.
    plan : Plan
    keys : Keys, optional
        None speaks NULL.
    serving : bool
        True for the end that was connected to.
    """
    link.settimeout(TIMEOUT_S)
    try:
        _act(link, plan, keys, serving=serving)
        return True
    except (OSError, RejectedError):
        return False


def _act(link: socket.socket, plan: Plan, keys: Keys | None, *, serving: bool) -> None:
    mechanism = b"NULL" if keys is None else b"CURVE"
    hello = greeting(mechanism, server=serving and keys is not None, version=plan.version)
    if plan.depth is Depth.GREETING:
        _finish(link, plan, _damaged(hello, plan))
        return
    link.sendall(hello)
    _receive(link, GREETING_BYTES)
    properties = metadata([(b"Socket-Type", plan.socket_type), (b"Identity", plan.identity)])
    seal: Seal = frame
    if keys is None:
        last = frame(command(b"READY", properties), COMMAND)
    elif serving:
        server = CurveServer(keys.secret)
        hello_frame = _receive(link, HELLO_BYTES + 2)
        link.sendall(server.welcome(hello_frame[8:]))
        _receive(link, 9)  # INITIATE follows, as long as its metadata: its content is not needed
        last, session = server.ready(properties)
        seal = session.seal
    else:
        client = CurveClient(keys.secret, keys.server_public)
        link.sendall(client.hello())
        welcome = _receive(link, WELCOME_FRAME_BYTES)
        last, session = client.initiate(welcome[2:], properties)
        seal = session.seal
    if plan.depth is Depth.HANDSHAKE:
        _finish(link, plan, _damaged(last, plan))
        return
    link.sendall(last)
    _receive(link, 1)  # READY of the other end, or what it says instead
    _finish(link, plan, b"".join(_framed(body, seal, plain=keys is None) for body in plan.traffic))


def _framed(body: Body, seal: Seal, *, plain: bool) -> bytes:
    if body.lie_bytes is not None:
        return frame(body.data, body.flags, size=body.lie_bytes)
    if plain:
        return frame(body.data, body.flags & ~2)  # the long form is chosen by the length
    return seal(body.data, body.flags)


def _damaged(block: bytes, plan: Plan) -> bytes:
    changed = bytearray(block)
    for place, xor in plan.damage:
        changed[int(place * len(changed))] ^= xor
    return bytes(changed)


def _finish(link: socket.socket, plan: Plan, block: bytes) -> None:
    """Send the last block as the plan says, and end the connection."""
    block = block[: round(plan.cut * len(block))]
    if plan.ending is Ending.RESET:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    size = max(1, -(-len(block) // plan.pieces))
    for start in range(0, len(block), size):
        link.sendall(block[start : start + size])
    if plan.ending is Ending.HALF_CLOSE:
        link.shutdown(socket.SHUT_WR)
    if plan.ending in (Ending.HALF_CLOSE, Ending.STAY):
        link.settimeout(0.05)
        with suppress(OSError):
            link.recv(4096)


def _receive(link: socket.socket, count: int) -> bytes:
    parts = b""
    while len(parts) < count:
        part = link.recv(count - len(parts))
        if not part:
            raise RejectedError
        parts += part
    return parts
