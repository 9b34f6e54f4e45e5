"""Traffic of a TCP connection that libzmq owns: the bytes that it received, and those of a message.

libzmq tells neither, but a descriptor of its own is enough to ask the kernel.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

HAS_TCP_INFO: Final = sys.platform.startswith("linux")
"""Whether the kernel tells how many bytes a connection has received: Linux 4.1."""

_TCP_INFO: Final = 11
"""TCP_INFO of linux/tcp.h; the module `socket` has it on Linux alone."""
_TCP_INFO_BYTES: Final = 136
_BYTES_RECEIVED: Final = struct.Struct("=Q")
_BYTES_RECEIVED_AT: Final = 128
"""Offset of tcpi_bytes_received in struct tcp_info of linux/tcp.h."""
_SHORT_FRAME_BYTES: Final = 255
_CURVE_BYTES: Final = 33
"""Command name, nonce, authenticator and flags of an encrypted message."""


@contextmanager
def borrowed(descriptor: int) -> Iterator[socket.socket]:
    """Use a descriptor of libzmq as a socket, without closing it.

    A duplicate would be safer, but cannot be had once the descriptors of the process are used up.
    The descriptor may be closed at any time, and its number used again: read only, and then check
    whose it is.

    Raises
    ------
    OSError
        If it is no socket; EBADF if it is closed.
    """
    # The family is asked of the kernel, which names the other end by it.
    connection = socket.socket(-1, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=descriptor)
    try:
        yield connection
    finally:
        connection.detach()


def received_bytes(connection: socket.socket) -> int:
    """Return how many bytes a TCP connection has received.

    Raises
    ------
    OSError
        If this is no TCP connection, or the kernel does not count its bytes.
    """
    info = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TCP_INFO_BYTES)
    if len(info) < _TCP_INFO_BYTES:
        raise OSError("the kernel does not count the bytes of a connection")
    received: int = _BYTES_RECEIVED.unpack_from(info, _BYTES_RECEIVED_AT)[0]
    return received


def message_bytes(size: int, *, keys: bool) -> int:
    """Return the bytes on the wire of a ZMTP message of one part, or of one part of several."""
    if keys:
        size += _CURVE_BYTES
    return size + (2 if size <= _SHORT_FRAME_BYTES else 9)
