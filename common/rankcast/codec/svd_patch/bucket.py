"""The leaky bucket: bits that were sent, and drain at the bit rate of a link."""

from __future__ import annotations

_FIRST_INTERVAL_S = 1 / 30
_INTERVAL_GAIN = 0.2
_OVERHEAD_BYTES = 114
"""Prefix and header of a packet, until one was made."""


class Bucket:
    """Counts whole packets against a bit rate, in the time of capture."""

    def __init__(self) -> None:
        self.held_bits = 0.0
        self.overhead_bits = 8.0 * _OVERHEAD_BYTES
        """Of the last packet, around its body."""
        self.interval_s = _FIRST_INTERVAL_S
        """Usual time from one frame to the next."""
        self._last_ns: int | None = None
        self._body_bits = 0.0

    def drain(self, rate: float, size: float, t_ns: int) -> None:
        """Let out what has left at `t_ns` from a bucket that holds `size` bits."""
        if self._last_ns is None:
            self._last_ns = t_ns
            return
        # A clock that went back, as that of a replayed stream does, goes on from there.
        interval_s = max(t_ns - self._last_ns, 0) / 1e9
        self._last_ns = t_ns
        self.held_bits = max(self.held_bits - rate * interval_s, 0.0)
        # A pause is no frame rate: beyond an empty bucket it gives nothing.
        self.interval_s += _INTERVAL_GAIN * (min(interval_s, size / rate) - self.interval_s)

    def put(self, body_bytes: int) -> None:
        """Count a body, with a packet around it like the last one."""
        self._body_bits = 8.0 * body_bytes
        self.held_bits += self._body_bits + self.overhead_bits

    def correct(self, packet_bytes: int) -> None:
        """Count the packet that was made of the last body in its place."""
        overhead_bits = 8.0 * packet_bytes - self._body_bits
        self.held_bits += overhead_bits - self.overhead_bits
        self.overhead_bits = overhead_bits

    def shrink(self, size_bits: float) -> None:
        """Forget what a bucket of `size_bits` cannot hold: it is not to be paid back."""
        self.held_bits = min(self.held_bits, size_bits)
