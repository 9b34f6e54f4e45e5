"""NATS: addresses, settings, subjects, and parts of large packets.

Connections are made in `rankcast.nats.client`, which loads asyncio.
"""

from rankcast.nats.address import NatsAddress, is_nats
from rankcast.nats.keep_options import KeepOptions
from rankcast.nats.options import NatsOptions
from rankcast.nats.parts import PART_BYTES, Assembler, count_parts, split_packet
from rankcast.nats.past_options import PastOptions
from rankcast.nats.since import Since, parse_since
from rankcast.nats.subjects import (
    ANY,
    CONTROL,
    DEFAULT_SITE,
    FRAMES,
    OPERATOR_CONTROL,
    STATUS,
    Subject,
    check_site,
    control_subject,
    join_name,
    parse_subject,
    split_name,
    split_stream_name,
    subject_of,
)
from rankcast.nats.wanted_cameras import check_cameras, wanted_camera

__all__ = [
    "ANY",
    "CONTROL",
    "DEFAULT_SITE",
    "FRAMES",
    "OPERATOR_CONTROL",
    "PART_BYTES",
    "STATUS",
    "Assembler",
    "KeepOptions",
    "NatsAddress",
    "NatsOptions",
    "PastOptions",
    "Since",
    "Subject",
    "check_cameras",
    "check_site",
    "control_subject",
    "count_parts",
    "is_nats",
    "join_name",
    "parse_since",
    "parse_subject",
    "split_name",
    "split_packet",
    "split_stream_name",
    "subject_of",
    "wanted_camera",
]
