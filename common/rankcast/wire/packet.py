"""Packets: packing and parsing of header and body, as docs/wire.md defines them.

This module opens no sockets and checks every size before it allocates memory.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from rankcast.errors import LimitError, UnknownVersionError, WireError
from rankcast.wire.header import Header
from rankcast.wire.limits import OFFLINE, Limits
from rankcast.wire.packed_header import pack_header, parse_header

VERSION: Final = 2
_MAGIC: Final = b"RKC"
_VERSION_1_MARK: Final = 0xA5
"""Stood where the version stands now; the version, 1, came after it."""
_PREFIX: Final = struct.Struct("<3sBI")
"""Magic, version, CRC-32 of all that follows."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A parsed packet; the body is a view into the received buffer."""

    header: Header
    """Short if it is that of a predicted frame."""
    body: memoryview
    size: int
    """Size of the complete packet in bytes."""

    @property
    def header_bytes(self) -> int:
        """Size of the header: what stands between the CRC-32 and the body."""
        return self.size - _PREFIX.size - len(self.body)


def pack(header: Header, *body: bytes | bytearray | memoryview) -> bytes:
    """Serialise one packet.

    Parameters
    ----------
    header : Header
    *body : bytes-like
        The body, whole or in parts.

    Raises
    ------
    SettingsError
        If the user metadata is not a flat map of scalars or exceeds 4 KiB.
    ValueError
        If the header is that of a predicted frame and not short.
    """
    head = pack_header(header)
    crc = zlib.crc32(head)
    for part in body:
        crc = zlib.crc32(part, crc)
    return b"".join((_PREFIX.pack(_MAGIC, VERSION, crc), head, *body))


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
    if len(view) > limits.max_packet_bytes:
        raise LimitError(
            f"got a packet of {len(view)} bytes, the limit is {limits.max_packet_bytes}"
        )
    if len(view) < _PREFIX.size:
        raise WireError(f"got {len(view)} bytes, a Rankcast packet has more than {_PREFIX.size}")
    magic, version, crc = _PREFIX.unpack_from(view)
    if magic != _MAGIC:
        raise WireError(f"got magic {magic.hex()}, a Rankcast packet begins with {_MAGIC.hex()}")
    if version == _VERSION_1_MARK:
        raise UnknownVersionError(
            f"got a packet of version 1, this is version {VERSION}: update the sender, or "
            "decompress the file with the version that wrote it"
        )
    if version != VERSION:
        raise UnknownVersionError(
            f"got a packet of version {version}, this is version {VERSION}: update this end"
        )
    content = view[_PREFIX.size :].toreadonly()
    if zlib.crc32(content) != crc:
        raise WireError(f"CRC-32 differs from {crc:08x}: the packet was cut or damaged in transit")
    header, header_bytes = parse_header(content, limits)
    return Packet(header, content[header_bytes:], len(view))
