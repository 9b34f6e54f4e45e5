"""The connections from a receiver to its senders, and the thread that drains them."""

from rankcast_receiver.net.camera_finder import CameraFinder, FoundSenders, StationKeys
from rankcast_receiver.net.connection import MAX_MESSAGES_S, Connection, ConnectionOptions
from rankcast_receiver.net.control_request import ControlRequest
from rankcast_receiver.net.endpoints import SenderAddress, check_senders, sender_addresses
from rankcast_receiver.net.receive_thread import ReceiveThread

__all__ = [
    "MAX_MESSAGES_S",
    "CameraFinder",
    "Connection",
    "ConnectionOptions",
    "ControlRequest",
    "FoundSenders",
    "ReceiveThread",
    "SenderAddress",
    "StationKeys",
    "check_senders",
    "sender_addresses",
]
