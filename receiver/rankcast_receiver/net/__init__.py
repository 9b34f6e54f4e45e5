"""The connections from a receiver to its senders, and the thread that drains them."""

from rankcast_receiver.net.camera_finder import CameraFinder, FoundSenders, StationKeys
from rankcast_receiver.net.connection import MAX_MESSAGES_S, Connection, ConnectionOptions
from rankcast_receiver.net.control_request import ControlRequest
from rankcast_receiver.net.endpoints import SenderAddress, check_senders, sender_addresses
from rankcast_receiver.net.path_meter import PathMeter
from rankcast_receiver.net.receive_thread import ReceiveThread
from rankcast_receiver.net.sender_requests import SenderRequests

__all__ = [
    "MAX_MESSAGES_S",
    "CameraFinder",
    "Connection",
    "ConnectionOptions",
    "ControlRequest",
    "FoundSenders",
    "PathMeter",
    "ReceiveThread",
    "SenderAddress",
    "SenderRequests",
    "StationKeys",
    "check_senders",
    "sender_addresses",
]
