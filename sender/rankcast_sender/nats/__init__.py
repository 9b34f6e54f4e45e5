"""Publishing at a NATS server: frames, presence of viewers, and control requests."""

from rankcast_sender.nats.options import NatsOutletOptions
from rankcast_sender.nats.outlet import NatsOutlet
from rankcast_sender.nats.presence import EXPIRES_S

__all__ = ["EXPIRES_S", "NatsOutlet", "NatsOutletOptions"]
