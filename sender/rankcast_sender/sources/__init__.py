"""Sources of frames: cameras, replays and synthetic scenes."""

from rankcast_sender.sources.adjustments import Adjustments
from rankcast_sender.sources.credentials import secrets_of, shown_url, without_credentials
from rankcast_sender.sources.mosaic import Cfa
from rankcast_sender.sources.recorded_packets import RecordedPacket, RecordedPackets
from rankcast_sender.sources.source import Adjustable, Described, Remote, Source, Timed
from rankcast_sender.sources.uri import SourceOptions, SourceUri, check_query, parse_source

__all__ = [
    "Adjustable",
    "Adjustments",
    "Cfa",
    "Described",
    "RecordedPacket",
    "RecordedPackets",
    "Remote",
    "Source",
    "SourceOptions",
    "SourceUri",
    "Timed",
    "check_query",
    "parse_source",
    "secrets_of",
    "shown_url",
    "without_credentials",
]
