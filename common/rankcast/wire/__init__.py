"""Bytes on the wire: packets, topics, status and control messages."""

from rankcast.wire.catch_up import MAX_PACKETS as MAX_CATCH_UP_PACKETS
from rankcast.wire.catch_up import pack_catch_up, parse_catch_up, token_of
from rankcast.wire.chain import Chain
from rankcast.wire.control_messages import (
    MAX_ID,
    MAX_REQUEST_BYTES,
    OPERATIONS,
    Reply,
    Request,
    max_reply_bytes,
    pack_reply,
    pack_request,
    parse_reply,
    parse_request,
)
from rankcast.wire.fields import UINT64_MAX, uint
from rankcast.wire.header import (
    PPB,
    STREAM_ID_BYTES,
    Header,
    Kind,
    packed_meta_bytes,
)
from rankcast.wire.limits import OFFLINE, Limits
from rankcast.wire.packet import VERSION, Packet, pack, unpack
from rankcast.wire.replay import Replay
from rankcast.wire.status import MAX_MS, UPLINK_UP, Status, pack_status, parse_status
from rankcast.wire.topic import (
    KEEPER_PREFIX,
    TOKEN_BYTES,
    VIEWER_PREFIX,
    check_name,
    frames_topic,
    keeper_topic,
    keeper_topics,
    split_message,
    status_topic,
    viewer_topic,
    viewer_topics,
)

__all__ = [
    "KEEPER_PREFIX",
    "MAX_CATCH_UP_PACKETS",
    "MAX_ID",
    "MAX_MS",
    "MAX_REQUEST_BYTES",
    "OFFLINE",
    "OPERATIONS",
    "PPB",
    "STREAM_ID_BYTES",
    "TOKEN_BYTES",
    "UINT64_MAX",
    "UPLINK_UP",
    "VERSION",
    "VIEWER_PREFIX",
    "Chain",
    "Header",
    "Kind",
    "Limits",
    "Packet",
    "Replay",
    "Reply",
    "Request",
    "Status",
    "check_name",
    "frames_topic",
    "keeper_topic",
    "keeper_topics",
    "max_reply_bytes",
    "pack",
    "pack_catch_up",
    "pack_reply",
    "pack_request",
    "pack_status",
    "packed_meta_bytes",
    "parse_catch_up",
    "parse_reply",
    "parse_request",
    "parse_status",
    "split_message",
    "status_topic",
    "token_of",
    "uint",
    "unpack",
    "viewer_topic",
    "viewer_topics",
]
