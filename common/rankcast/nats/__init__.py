"""NATS: addresses, subjects, parts of large packets, and the connection to a server.

Only `rankcast.nats.client` imports the client library, and only once a connection is opened.
"""

from rankcast.nats.address import NatsAddress, is_nats
from rankcast.nats.connection import Message, NatsConnection
from rankcast.nats.fleet import Fleet, FleetCamera, list_fleet
from rankcast.nats.loop_thread import LoopThread
from rankcast.nats.options import NatsOptions
from rankcast.nats.parts import PART_BYTES, Assembler, split_packet
from rankcast.nats.subjects import (
    CONTROL,
    FRAMES,
    OPERATOR_CONTROL,
    STATUS,
    Subject,
    check_site,
    join_name,
    parse_subject,
    split_name,
    subject_of,
)

__all__ = [
    "CONTROL",
    "FRAMES",
    "OPERATOR_CONTROL",
    "PART_BYTES",
    "STATUS",
    "Assembler",
    "Fleet",
    "FleetCamera",
    "LoopThread",
    "Message",
    "NatsAddress",
    "NatsConnection",
    "NatsOptions",
    "Subject",
    "check_site",
    "is_nats",
    "join_name",
    "list_fleet",
    "parse_subject",
    "split_name",
    "split_packet",
    "subject_of",
]
