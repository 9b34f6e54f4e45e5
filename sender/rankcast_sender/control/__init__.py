"""The control channel of a sender."""

from rankcast_sender.control.control_thread import ControlThread
from rankcast_sender.control.request_handler import OPERATOR, Client, RequestHandler

__all__ = [
    "OPERATOR",
    "Client",
    "ControlThread",
    "RequestHandler",
]
