"""LimitsTable: the table ``[limits]`` where packets arrive, at a receiver and at a relay."""

from __future__ import annotations

from pydantic import Field

from rankcast.settings import Table
from rankcast.wire import Limits
from rankcast_receiver.net import MAX_MESSAGES_S


class LimitsTable(Table):
    """``[limits]``: sizes above which a packet is refused, and the rate of a flood."""

    max_packet_bytes: int = Field(default=Limits().max_packet_bytes, ge=1024, le=2**31)
    max_side: int = Field(default=Limits().max_side, ge=1, le=2**20)
    max_samples: int = Field(default=Limits().max_samples, ge=1, le=2**32)
    max_messages_s: int = Field(default=MAX_MESSAGES_S, ge=100, le=1_000_000)
    """A sender that sends more messages a second is disconnected for a while."""

    def limits(self) -> Limits:
        """Return the limits in the form that the parser expects."""
        return Limits(self.max_packet_bytes, self.max_side, self.max_samples)
