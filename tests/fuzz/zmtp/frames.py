"""ZMTP 3.1 as bytes: greetings, commands and message frames (https://rfc.zeromq.org/spec/37/)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

MORE, LONG, COMMAND = 1, 2, 4
SHORT_BYTES = 255
GREETING_BYTES = 64


def greeting(mechanism: bytes, *, server: bool = False, version: bytes = b"\3\1") -> bytes:
    """Return the 64 bytes with which both ends begin."""
    head = b"\xff" + bytes(8) + b"\x7f" + version
    return head + mechanism.ljust(20, b"\0") + bytes([server]) + bytes(31)


def frame(body: bytes, flags: int = 0, *, size: int | None = None) -> bytes:
    """Return one frame; `size` overrides the length that it announces."""
    announced = len(body) if size is None else size
    if announced > SHORT_BYTES or flags & LONG:
        return struct.pack(">BQ", (flags | LONG) & 0xFF, announced & (2**64 - 1)) + body
    return struct.pack("BB", flags, announced) + body


def command(name: bytes, body: bytes = b"") -> bytes:
    """Return the body of a command."""
    return bytes([len(name)]) + name + body


def metadata(properties: Mapping[bytes, bytes] | Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the properties of a READY or INITIATE command."""
    pairs = properties.items() if isinstance(properties, Mapping) else properties
    return b"".join(
        bytes([len(name)]) + name + struct.pack(">I", len(value)) + value for name, value in pairs
    )


def ping(ttl_ds: int, context: bytes = b"") -> bytes:
    """Return the body of a heartbeat; its time to live is in tenths of a second."""
    return command(b"PING", struct.pack(">H", ttl_ds) + context)
