"""Sinks: where decoded frames go."""

from rankcast_receiver.sinks.sink import Sink
from rankcast_receiver.sinks.sink_runner import Arrival, SinkRunner

__all__ = [
    "Arrival",
    "Sink",
    "SinkRunner",
]
