"""LinkFacts: a snapshot of one connection, taken by the receive thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rankcast.net import LinkState


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """State of the connection to one sender."""

    state: LinkState = LinkState.CONNECTING
    age_s: float = 0.0
    """Time since the link entered this state."""
    ever_up: bool = False
    """True if a sender at this address was ever connected."""
    detail: str = ""
    """Why the link is not up, in ASCII, one line."""
    cameras: tuple[str, ...] | None = None
    """Cameras that the sender lists over the control channel; None while unknown."""
    read_s: float | None = None
    """Monotonic time up to which all messages have been read; None before the first read."""
    shortage: str = ""
    """What the link carries if that is less than the stream, in ASCII, one line."""
    keyed: bool = False
    """True if the connection uses a key."""
    at_server: bool = False
    """True if the connection is one to a server, to which senders of other stations publish."""
    absent: frozenset[str] = frozenset()
    """Cameras whose requests nobody takes, according to that server."""
    relay_id: str = ""
    """Id of the relay at the other end; empty for a sender, or while unknown."""
    behind: Mapping[str, str] = field(default_factory=dict)
    """Cameras of which the past is shown, and how far it is, in ASCII, one line."""
    waits: Mapping[str, str] = field(default_factory=dict)
    """Cameras whose durable name another recorder has, and which one, in ASCII, one line."""
    catches_up: bool = False
    """True while packets of the past are still to come: an end among them is none of now."""
