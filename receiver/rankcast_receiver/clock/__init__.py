"""Conversion of the sender's clock to the local monotonic clock."""

from rankcast_receiver.clock.delays import Delays
from rankcast_receiver.clock.latest_latencies import Latency, LatestLatencies
from rankcast_receiver.clock.sender_clock import MOST_ERROR_NS, UNKNOWN, SenderClock
from rankcast_receiver.clock.station_clocks import StationClocks

__all__ = [
    "MOST_ERROR_NS",
    "UNKNOWN",
    "Delays",
    "Latency",
    "LatestLatencies",
    "SenderClock",
    "StationClocks",
]
