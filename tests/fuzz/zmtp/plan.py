"""What one hostile connection does, drawn from its seed alone so that a find can be repeated."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum
from typing import Final

from fuzz.zmtp.frames import COMMAND, MORE, command, ping

BURST_FRAMES: Final = 1500
"""More than the receive queues of libzmq hold by default, with a command behind them. Few plans
have a burst: both ends need as long for it as for ten connections without one."""
FEW: Final = (10, 1)
"""Weights of once and often."""
LENGTHS: Final = (0, 1, 2, 32, 250, 255, 256, 1023, 1024, 1025, 8192)
LIES: Final = (1 << 20, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
"""Lengths announced by a frame that never comes."""
NAMES: Final = (b"READY", b"HELLO", b"WELCOME", b"INITIATE", b"MESSAGE", b"ERROR", b"PING", b"PONG",
                b"SUBSCRIBE", b"CANCEL", b"JOIN", b"LEAVE", b"", b"X" * 255)  # fmt: skip
SOCKET_TYPES: Final = (b"SUB", b"XSUB", b"DEALER", b"REQ", b"ROUTER", b"PUB", b"XPUB", b"REP",
                       b"PAIR", b"STREAM", b"", b"?" * 200)  # fmt: skip


class Depth(Enum):
    """How far the connection keeps to the protocol."""

    GREETING = "greeting"
    HANDSHAKE = "handshake"
    TRAFFIC = "traffic"


class Ending(Enum):
    """How the connection ends."""

    RESET = "reset"
    CLOSE = "close"
    HALF_CLOSE = "half close"
    STAY = "stay"


@dataclass(frozen=True)
class Body:
    """One frame of the traffic, before encryption."""

    data: bytes
    flags: int = 0
    lie_bytes: int | None = None
    """Length that the frame announces instead of its own."""


@dataclass(frozen=True)
class Plan:
    """One hostile connection."""

    depth: Depth
    ending: Ending
    version: bytes
    socket_type: bytes
    identity: bytes
    traffic: tuple[Body, ...]
    damage: tuple[tuple[float, int], ...]
    """Bytes of the handshake that are changed: place as a share of its length, and xor."""
    cut: float
    """Share of the last block that is sent; 1 sends it whole."""
    pieces: int
    """Number of writes that the last block is split into."""


def draw(seed: int, expected_type: bytes, topics: tuple[bytes, ...]) -> Plan:
    """Return the plan of a seed.

    Parameters
    ----------
    seed : int
    expected_type : bytes
        Socket type that the other end accepts.
    topics : tuple of bytes
        Beginnings of messages that the other end understands.
    """
    rng = random.Random(seed)
    depth = rng.choices(list(Depth), (1, 2, 7))[0]
    damage = ()
    if depth is not Depth.TRAFFIC:
        damage = tuple((rng.random(), rng.randrange(1, 256)) for _ in range(rng.randrange(4)))
    right = depth is Depth.TRAFFIC or rng.random() < 0.5
    return Plan(
        depth=depth,
        ending=rng.choices(list(Ending), (6, 2, 1, 1))[0],
        version=b"\3\1" if right else rng.choice((b"\3\1", b"\3\0", b"\2\0", b"\1\0", b"\0\0",
                                                  b"\xff\xff")),
        socket_type=expected_type if right else rng.choice(SOCKET_TYPES),
        identity=rng.choice((b"", b"", b"a", b"same", rng.randbytes(255), rng.randbytes(300))),
        traffic=tuple(_traffic(rng, topics)) if depth is Depth.TRAFFIC else (),
        damage=damage,
        cut=rng.choice((1.0, rng.random())),
        pieces=rng.choice((1, 1, 1, 2, 5)),
    )  # fmt: skip


def _traffic(rng: random.Random, topics: tuple[bytes, ...]) -> list[Body]:
    bodies: list[Body] = []
    for _ in range(rng.choice((1, 2, 5, 20))):
        kind = rng.randrange(9)
        if kind == 0:
            bodies += [_message(rng, topics)] * rng.choices((5, 50, BURST_FRAMES), (12, 4, 1))[0]
        elif kind <= 2:
            bodies += [Body(ping(rng.choice((0, 1, 65535)), rng.randbytes(rng.choice(LENGTHS[:5]))),
                            COMMAND)] * rng.choices((1, 100), FEW)[0]  # fmt: skip
        elif kind == 3:
            bodies.append(Body(_command(rng), COMMAND))
        elif kind == 4:
            (count,) = rng.choices((1, 300), FEW)
            bodies += [Body(rng.randbytes(rng.choice(LENGTHS)), MORE)] * count
        elif kind == 5:
            bodies.append(Body(rng.randbytes(8), rng.choice((0, COMMAND)), rng.choice(LIES)))
        elif kind == 6:
            bodies.append(Body(rng.randbytes(rng.choice(LENGTHS)), rng.randrange(256)))
        else:
            bodies.append(_message(rng, topics))
    return bodies


def _message(rng: random.Random, topics: tuple[bytes, ...]) -> Body:
    start = rng.choice(topics)
    return Body(start + rng.randbytes(rng.choice((0, 0, 1, *LENGTHS))))


def _command(rng: random.Random) -> bytes:
    name = rng.choice(NAMES)
    body = command(name, rng.randbytes(rng.choice(LENGTHS)))
    # A name may also announce more bytes than there are.
    return body if rng.random() < 0.7 else bytes([rng.randrange(256)]) + body[1:]
