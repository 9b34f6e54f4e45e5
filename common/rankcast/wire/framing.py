"""The 16-byte prefix that begins every packet and every control message."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from rankcast.errors import LimitError, UnknownVersionError, WireError

PREFIX: Final = struct.Struct("<4sBBHII")
"""Magic, version, flags, bytes of the head, bytes of the tail, CRC-32 of head and tail."""


@dataclass(frozen=True, slots=True)
class Framing:
    """One kind of message: a prefix, a msgpack head and a tail of bytes."""

    magic: bytes
    version: int
    what: str
    """Name of the message in errors, with its article."""
    head: str
    """Name of the head in errors."""
    max_head_bytes: int

    def frame(self, head: bytes, tail: bytes | bytearray | memoryview = b"") -> bytes:
        """Return the message with its prefix, `head` and `tail`."""
        crc = zlib.crc32(tail, zlib.crc32(head))
        prefix = PREFIX.pack(self.magic, self.version, 0, len(head), len(tail), crc)
        return b"".join((prefix, head, tail))

    def split(self, view: memoryview, max_bytes: int) -> tuple[memoryview, memoryview]:
        """Check the prefix of a complete message and return its head and tail.

        Parameters
        ----------
        view : memoryview
            The complete message and nothing else, as bytes.
        max_bytes : int
            Longer messages are rejected before anything else is read.

        Raises
        ------
        WireError
            If it is not such a message. Subclasses: UnknownVersionError, LimitError.
        """
        if len(view) > max_bytes:
            raise LimitError(f"got {self.what} of {len(view)} bytes, the limit is {max_bytes}")
        if len(view) < PREFIX.size:
            raise WireError(f"got {len(view)} bytes, {self.what} has at least {PREFIX.size}")
        magic, version, flags, head_bytes, tail_bytes, crc = PREFIX.unpack_from(view)
        if magic != self.magic:
            raise WireError(f"got magic {magic.hex()}, {self.what} begins with {self.magic.hex()}")
        if version != self.version:
            raise UnknownVersionError(
                f"got {self.what} of version {version}, this is version {self.version}: "
                "update the older end"
            )
        if flags:
            raise WireError(f"got flags {flags:#04x}, version {self.version} defines none")
        if head_bytes > self.max_head_bytes:
            raise LimitError(
                f"got a {self.head} of {head_bytes} bytes, the limit is {self.max_head_bytes}"
            )
        promised_bytes = PREFIX.size + head_bytes + tail_bytes
        if len(view) != promised_bytes:
            raise WireError(f"got {len(view)} bytes, the prefix promises {promised_bytes}")
        if zlib.crc32(view[PREFIX.size :]) != crc:
            raise WireError(f"CRC-32 differs from {crc:08x}: {self.what} was damaged in transit")
        tail_start = PREFIX.size + head_bytes
        return view[PREFIX.size : tail_start], view[tail_start:]
