"""Sources: where frames come from."""

from rankcast_sender.sources.adjustments import Adjustments
from rankcast_sender.sources.source import Adjustable, Source
from rankcast_sender.sources.uri import check_query, parse_source

__all__ = [
    "Adjustable",
    "Adjustments",
    "Source",
    "check_query",
    "parse_source",
]
