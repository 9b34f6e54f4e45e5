"""Sources of frames: cameras, replays and synthetic scenes."""

from rankcast_sender.sources.adjustments import Adjustments
from rankcast_sender.sources.credentials import secrets_of, shown_url
from rankcast_sender.sources.mosaic import Cfa
from rankcast_sender.sources.pixel_formats import PixelFormat, pixel_format, supported_names
from rankcast_sender.sources.recorded_packets import RecordedPacket, RecordedPackets
from rankcast_sender.sources.source import Adjustable, Described, Remote, Source, Timed
from rankcast_sender.sources.uri import (
    URL_SCHEMES,
    SourceOptions,
    SourceUri,
    check_query,
    parse_source,
)

__all__ = [
    "URL_SCHEMES",
    "Adjustable",
    "Adjustments",
    "Cfa",
    "Described",
    "PixelFormat",
    "RecordedPacket",
    "RecordedPackets",
    "Remote",
    "Source",
    "SourceOptions",
    "SourceUri",
    "Timed",
    "check_query",
    "parse_source",
    "pixel_format",
    "secrets_of",
    "shown_url",
    "supported_names",
]
