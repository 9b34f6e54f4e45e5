"""Unsigned LEB128 numbers below 2^64, in their shortest form."""

from __future__ import annotations

from typing import Final

from rankcast.errors import WireError

MOST_BYTES: Final = 10
"""Seven bits a byte."""


def pack_number(value: int) -> bytes:
    """Serialise an integer from 0 to 2^64 - 1.

    Raises
    ------
    OverflowError
        If it is outside.
    """
    if not 0 <= value < 1 << 64:
        raise OverflowError(f"got {value}, want an integer from 0 to 2^64 - 1")
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class NumberReader:
    """Reads one number after another from the start of `view`."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self.position = 0
        """Bytes read so far."""

    def read(self, name: str) -> int:
        """Return the next number; `name` is for the error.

        Raises
        ------
        WireError
            If the bytes end within it, or it is not the shortest form of a number below 2^64.
        """
        value = shift = 0
        for byte in self._view[self.position : self.position + MOST_BYTES]:
            self.position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                if value >= 1 << 64 or (byte == 0 and shift > 7):
                    break
                return value
        raise WireError(f"{name} is not an LEB128 number below 2^64 in its shortest form")
