"""Catch-ups: what a relay sends to one viewer that joins in the middle of a chain."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import Final

from rankcast.errors import LimitError, WireError

MAX_PACKETS: Final = 64
"""Most packets of one catch-up: two seconds of video, which a viewer decodes in a moment."""
_LENGTH: Final = struct.Struct("<I")
_TOPIC: Final = re.compile(rb"/(?:viewer|keeper)/[^/\0]{1,64}/([0-9a-f]{32})\0")


def pack_catch_up(frames_topic: bytes, packets: Sequence[bytes]) -> bytes:
    """Return what follows the individual topic of a viewer.

    Parameters
    ----------
    frames_topic : bytes
        The one on which the viewer gets the packets that go on, with its NUL.
    packets : sequence of bytes
        A key frame or reference, and predicted frames that go back to it.
    """
    parts = [frames_topic]
    for packet in packets:
        parts += (_LENGTH.pack(len(packet)), packet)
    return b"".join(parts)


def token_of(message: memoryview) -> tuple[bytes, memoryview] | None:
    """Return the token that an individual topic names and what follows; None for other topics."""
    found = _TOPIC.match(message[:128])
    if found is None:
        return None
    return bytes.fromhex(found[1].decode("ascii")), message[found.end() :]


def parse_catch_up(message: memoryview) -> list[memoryview]:
    """Return the packets of a catch-up; `message` is what follows the topic of frames.

    Raises
    ------
    WireError
        If it is cut, empty, or has too many packets.
    """
    packets: list[memoryview] = []
    position = 0
    while position < len(message):
        if len(packets) >= MAX_PACKETS:
            raise LimitError(f"got a catch-up of more than {MAX_PACKETS} packets")
        if len(message) - position < _LENGTH.size:
            raise WireError("a catch-up ends within a length")
        (size,) = _LENGTH.unpack_from(message, position)
        position += _LENGTH.size
        if size > len(message) - position:
            raise WireError(f"got a catch-up with a packet of {size} bytes, "
                            f"{len(message) - position} are left")  # fmt: skip
        packets.append(message[position : position + size])
        position += size
    if not packets:
        raise WireError("got a catch-up without packets")
    return packets
