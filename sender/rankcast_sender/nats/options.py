"""NatsOutletOptions: what a sender at a NATS server is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from rankcast.nats import KeepOptions, NatsAddress, NatsOptions
from rankcast.wire import Limits


@dataclass(frozen=True, slots=True)
class NatsOutletOptions:
    """Options of a sender at a NATS server."""

    address: NatsAddress
    nats: NatsOptions = field(default_factory=NatsOptions)
    keep: KeepOptions = field(default_factory=KeepOptions)
    """What the server keeps of each camera."""
    queue_messages: int = 4
    """Frames of one camera that the server may not have taken yet ..."""
    window_bytes: int = 262_144
    """... once they are more bytes than this: further ones are then lost before they are coded."""
    linger_s: float = 0.0
    """How long `close` lets the server take the last messages; 0: 1 s."""
    max_packet_bytes: int = Limits().max_packet_bytes
    max_requests_s: int = 2000
