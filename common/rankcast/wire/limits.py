"""Limits: the largest packet and picture that a reader accepts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rankcast.errors import LimitError


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest packet and picture that a reader accepts.

    The defaults are for packets from the network; ``OFFLINE`` is for files.
    """

    max_packet_bytes: int = 32 * 1024 * 1024
    max_side: int = 65_535
    max_samples: int = 2**27
    """Height x width x channels: 128 million, above a 100-megapixel sensor."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Reject a picture of `shape` that exceeds the limits.

        Raises
        ------
        LimitError
        """
        height, width = shape[:2]
        channels = shape[2] if len(shape) == 3 else 1
        if max(height, width) > self.max_side:
            raise LimitError(
                f"got a picture of {height} x {width}, the limit is {self.max_side} per side"
            )
        if height * width * channels > self.max_samples:
            raise LimitError(
                f"got {height} x {width} x {channels} samples, the limit is {self.max_samples}"
            )


OFFLINE: Final = Limits(max_packet_bytes=128 * 1024 * 1024)
