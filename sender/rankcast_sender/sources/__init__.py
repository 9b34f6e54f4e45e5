"""Sources of frames: cameras, replays and synthetic scenes."""

from rankcast_sender.sources.adjustments import Adjustments
from rankcast_sender.sources.source import Adjustable, Source, Timed
from rankcast_sender.sources.uri import check_query, parse_source

__all__ = [
    "Adjustable",
    "Adjustments",
    "Source",
    "Timed",
    "check_query",
    "parse_source",
]
