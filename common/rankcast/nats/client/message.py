"""Message: what a NATS server delivers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the server."""

    subject: str
    data: bytes
    reply: str = ""
    """Where a reply to it goes; empty: none is expected."""
    status: str = ""
    """Number of a notice that the server itself sends in place of a message; else empty."""
    notice: str = ""
    """What the server says beside that number."""

    @property
    def unanswered(self) -> bool:
        """True for the server's reply that nobody subscribes to the subject of a request."""
        return self.status == "503"
