"""LinkFacts: what the receive thread knows of one connection at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from rankcast.net import Link


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """State of the connection to one sender."""

    link: Link = Link.CONNECTING
    age_s: float = 0.0
    """Time since the link came into this state."""
    ever_up: bool = False
    """A sender was connected at this address before."""
    detail: str = ""
    """Why the link is not up, in ASCII, one line."""
    cameras: tuple[str, ...] | None = None
    """The cameras that the sender lists over the control channel; None while unknown."""
    read_s: float | None = None
    """All that arrived before this moment, monotonic, has been read; None before the first read."""
