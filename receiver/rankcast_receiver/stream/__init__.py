"""Ordering and decoding of the packets of all cameras."""

from rankcast_receiver.stream.camera_states import CameraStates
from rankcast_receiver.stream.camera_stream import CameraStream
from rankcast_receiver.stream.decoded import CameraPacket, Decoded
from rankcast_receiver.stream.packet_queue import CameraKey, PacketBatch, PacketQueue, Taken
from rankcast_receiver.stream.picture_decoder import DECODE_BUDGET_S
from rankcast_receiver.stream.picture_facts import PictureFacts
from rankcast_receiver.stream.received_packet import ReceivedPacket, read_message, read_packet
from rankcast_receiver.stream.sender_streams import SenderStreams
from rankcast_receiver.stream.stream_decoder import StreamDecoder
from rankcast_receiver.stream.stream_options import StreamOptions

__all__ = [
    "DECODE_BUDGET_S",
    "CameraKey",
    "CameraPacket",
    "CameraStates",
    "CameraStream",
    "Decoded",
    "PacketBatch",
    "PacketQueue",
    "PictureFacts",
    "ReceivedPacket",
    "SenderStreams",
    "StreamDecoder",
    "StreamOptions",
    "Taken",
    "read_message",
    "read_packet",
]
