"""PastOptions: what a receiver wants of the streams that a NATS server keeps."""

from __future__ import annotations

from dataclasses import dataclass

from rankcast.nats.since import Since


@dataclass(frozen=True, slots=True)
class PastOptions:
    """Where a receiver begins, and how fast it comes to the present."""

    since: Since | None = None
    """Begin with the frames from this time on; None: with the next ones."""
    speed: float = 0.0
    """Seconds of the past delivered in each second; 0: as fast as the receiver takes them."""
    durable: str = ""
    """Name of the durable consumer that keeps the place of this receiver; empty: none."""

    @property
    def reads_streams(self) -> bool:
        """True if the first frames come from streams of the server."""
        return self.since is not None or bool(self.durable)
