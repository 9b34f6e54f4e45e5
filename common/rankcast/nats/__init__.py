"""NATS: addresses, settings, subjects, and parts of large packets.

Connections are made in `rankcast.nats.client`, which loads asyncio.
"""

from rankcast.nats.address import NatsAddress, is_nats
from rankcast.nats.options import NatsOptions
from rankcast.nats.parts import PART_BYTES, Assembler, split_packet
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
    subject_of,
)

__all__ = [
    "ANY",
    "CONTROL",
    "DEFAULT_SITE",
    "FRAMES",
    "OPERATOR_CONTROL",
    "PART_BYTES",
    "STATUS",
    "Assembler",
    "NatsAddress",
    "NatsOptions",
    "Subject",
    "check_site",
    "control_subject",
    "is_nats",
    "join_name",
    "parse_subject",
    "split_name",
    "split_packet",
    "subject_of",
]
