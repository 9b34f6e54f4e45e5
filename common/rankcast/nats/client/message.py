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
    unanswered: bool = False
    """True for the server's own reply that nobody subscribes to the subject of a request."""
