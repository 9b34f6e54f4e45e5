"""Packets: packing and parsing of header and body, as docs/wire.md defines them.

This module opens no sockets and checks every size before it allocates memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rankcast.wire.framing import Framing
from rankcast.wire.header import MAX_HEADER_BYTES, Header, pack_header, parse_header
from rankcast.wire.limits import OFFLINE, Limits

VERSION: Final = 1
_FRAMING: Final = Framing(b"RKC\xa5", VERSION, "a Rankcast packet", "header", MAX_HEADER_BYTES)


@dataclass(frozen=True, slots=True)
class Packet:
    """A parsed packet; the body is a view into the received buffer."""

    header: Header
    body: memoryview
    size: int
    """Size of the complete packet in bytes."""


def pack(header: Header, body: bytes | bytearray | memoryview = b"") -> bytes:
    """Serialise one packet.

    Raises
    ------
    SettingsError
        If the user metadata is not a flat map of scalars or exceeds 4 KiB.
    """
    return _FRAMING.frame(pack_header(header), body)


def unpack(buffer: bytes | bytearray | memoryview, limits: Limits = OFFLINE) -> Packet:
    """Parse one packet and check every field of its header.

    Parameters
    ----------
    buffer : bytes-like
        The complete packet and nothing else. The body of the result is a view of it.
    limits : Limits

    Raises
    ------
    WireError
        If it is not a valid packet. Subclasses: UnknownVersionError, LimitError.
    """
    view = memoryview(buffer).cast("B")
    head, body = _FRAMING.split(view, limits.max_packet_bytes)
    return Packet(parse_header(head, limits), body.toreadonly(), len(view))
