"""Sinks: where decoded frames or packets go."""

from rankcast_receiver.sinks.description import capture_time, describe, utc_in_name
from rankcast_receiver.sinks.levels import Levels, parse_levels
from rankcast_receiver.sinks.sink import PacketSink, Sink, Wants
from rankcast_receiver.sinks.sink_runner import SinkRunner

__all__ = [
    "Levels",
    "PacketSink",
    "Sink",
    "SinkRunner",
    "Wants",
    "capture_time",
    "describe",
    "parse_levels",
    "utc_in_name",
]
