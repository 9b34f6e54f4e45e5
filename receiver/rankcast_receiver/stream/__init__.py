"""Ordering and decoding of the packets of all cameras."""

from rankcast_receiver.stream.camera_state import (
    ANSWER_S,
    STALE_S,
    CameraState,
    Evidence,
    State,
    judge,
)
from rankcast_receiver.stream.camera_states import CameraStates
from rankcast_receiver.stream.camera_stream import CameraPacket, CameraStream, Decoded
from rankcast_receiver.stream.link_facts import LinkFacts
from rankcast_receiver.stream.packet_queue import CameraKey, PacketBatch, PacketQueue
from rankcast_receiver.stream.picture_decoder import DECODE_BUDGET_S
from rankcast_receiver.stream.received_packet import ReceivedPacket, read_message
from rankcast_receiver.stream.sender_clock import MOST_ERROR_NS, UNKNOWN, SenderClock
from rankcast_receiver.stream.sender_streams import SenderStreams
from rankcast_receiver.stream.stream_decoder import StreamDecoder
from rankcast_receiver.stream.stream_options import StreamOptions

__all__ = [
    "ANSWER_S",
    "DECODE_BUDGET_S",
    "MOST_ERROR_NS",
    "STALE_S",
    "UNKNOWN",
    "CameraKey",
    "CameraPacket",
    "CameraState",
    "CameraStates",
    "CameraStream",
    "Decoded",
    "Evidence",
    "LinkFacts",
    "PacketBatch",
    "PacketQueue",
    "ReceivedPacket",
    "SenderClock",
    "SenderStreams",
    "State",
    "StreamDecoder",
    "StreamOptions",
    "judge",
    "read_message",
]
