"""Sinks: where decoded frames or packets go."""

from rankcast_receiver.sinks.sink import PacketSink, Sink, Wants
from rankcast_receiver.sinks.sink_runner import SinkRunner

__all__ = [
    "PacketSink",
    "Sink",
    "SinkRunner",
    "Wants",
]
