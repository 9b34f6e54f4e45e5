"""JpegPiece: a JPEG as it goes to all pages that show it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JpegPiece:
    """A picture as it goes to all pages that show JPEG."""

    message: bytes
    sequence: int
