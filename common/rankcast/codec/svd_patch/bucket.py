"""The leaky bucket: bits that were sent, and drain at the bit rate of a link."""

from __future__ import annotations

from typing import Final

_FIRST_INTERVAL_S: Final = 1 / 30
_INTERVAL_GAIN: Final = 0.2
_OVERHEAD_BYTES: Final = 80
"""What stands before the body of a key frame, until a packet was made."""
_DISORDER_S: Final = 1.0
"""What a time of capture may be before the newest one so far, from several threads say."""


class Bucket:
    """Counts whole packets against a bit rate, in the time of capture."""

    def __init__(self) -> None:
        self.held_bits = 0.0
        self.overhead_bits = 8.0 * _OVERHEAD_BYTES
        """Of the last packet, around its body and metadata."""
        self.interval_s = _FIRST_INTERVAL_S
        """Usual time from one frame to the next."""
        self._last_ns: int | None = None

    def drain(self, rate: float, size: float, t_ns: int) -> None:
        """Let out what has left at `t_ns` from a bucket that holds `size` bits."""
        if self._last_ns is None:
            self._last_ns = t_ns
            return
        interval_s = (t_ns - self._last_ns) / 1e9
        # Frames may come a little out of order; a clock that went back further goes on from there.
        if not -_DISORDER_S < interval_s < 0:
            self._last_ns = t_ns
        interval_s = max(interval_s, 0.0)
        self.held_bits = max(self.held_bits - rate * interval_s, 0.0)
        # A pause is no frame rate: beyond an empty bucket it gives nothing.
        self.interval_s += _INTERVAL_GAIN * (min(interval_s, size / rate) - self.interval_s)

    def put(self, packet_bytes: int, content_bytes: int) -> None:
        """Count a packet with so many bytes of body and metadata in it."""
        self.held_bits += 8.0 * packet_bytes
        self.overhead_bits = 8.0 * (packet_bytes - content_bytes)

    def shrink(self, size_bits: float) -> None:
        """Forget what a bucket of `size_bits` cannot hold: it is not to be paid back."""
        self.held_bits = min(self.held_bits, size_bits)
