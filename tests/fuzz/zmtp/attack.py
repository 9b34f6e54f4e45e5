"""Carries out the plan of one hostile connection, as the end that connects or that binds."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from fuzz.zmtp.curve import CurveClient, CurveServer
from fuzz.zmtp.frames import COMMAND, GREETING_BYTES, LONG, command, frame, greeting, metadata
from fuzz.zmtp.plan import Body, Depth, Ending, Plan

TIMEOUT_S = 2.0
OLD_TIMEOUT_S = 0.05
"""Who speaks an older version gets a shorter greeting, and the connection stays open."""
MAX_ANSWER_BYTES = 65_536

Seal = Callable[[bytes, int], bytes]


@dataclass(frozen=True)
class Keys:
    """Keys of a peer that the other end admits."""

    secret: bytes
    server_public: bytes


@dataclass
class Outcome:
    """How far a connection came."""

    admitted: bool = False
    """The other end completed the handshake, and said so."""
    sent: bool = False
    """All of the plan was carried out."""


class RejectedError(Exception):
    """The other end refused or closed the connection before the plan was carried out."""


def strike(link: socket.socket, plan: Plan, keys: Keys | None, *, serving: bool) -> Outcome:
    """Carry out `plan` on a connection; return how far it came.

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
    outcome = Outcome()
    with suppress(OSError, RejectedError):
        _act(link, plan, keys, outcome, serving=serving)
        outcome.sent = True
    return outcome


def _act(
    link: socket.socket, plan: Plan, keys: Keys | None, outcome: Outcome, *, serving: bool
) -> None:
    mechanism = b"NULL" if keys is None else b"CURVE"
    hello = greeting(mechanism, server=serving and keys is not None, version=plan.version)
    if plan.depth is Depth.GREETING:
        _finish(link, plan, _damaged(hello, plan))
        return
    link.sendall(hello)
    if plan.version < b"\3":
        link.settimeout(OLD_TIMEOUT_S)
    receive(link, GREETING_BYTES)
    properties = metadata([(b"Socket-Type", plan.socket_type), (b"Identity", plan.identity)])
    seal: Seal = frame
    if keys is None:
        last = frame(command(b"READY", properties), COMMAND)
    elif serving:
        server = CurveServer(keys.secret)
        link.sendall(server.welcome(expect(link, b"HELLO")))
        expect(link, b"INITIATE")  # its content is not needed
        last, session = server.ready(properties)
        seal = session.seal
    else:
        client = CurveClient(keys.secret, keys.server_public)
        link.sendall(client.hello())
        last, session = client.initiate(expect(link, b"WELCOME"), properties)
        seal = session.seal
    if plan.depth is Depth.HANDSHAKE:
        _finish(link, plan, _damaged(last, plan))
        return
    link.sendall(last)
    if serving and keys is not None:
        expect(link, b"MESSAGE")  # what the other end sends first, once it has accepted READY
    else:
        expect(link, b"READY")  # a key that is refused gets ERROR instead
    outcome.admitted = True
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


def expect(link: socket.socket, name: bytes) -> bytes:
    """Receive one frame, which must be the command `name`; return what follows its name."""
    flags = receive(link, 1)[0]
    size = int.from_bytes(receive(link, 8 if flags & LONG else 1), "big")
    if size > MAX_ANSWER_BYTES:
        raise RejectedError
    body = receive(link, size)
    if not body.startswith(command(name)):
        raise RejectedError
    return body[1 + len(name) :]


def receive(link: socket.socket, count: int) -> bytes:
    parts = b""
    while len(parts) < count:
        part = link.recv(count - len(parts))
        if not part:
            raise RejectedError
        parts += part
    return parts
