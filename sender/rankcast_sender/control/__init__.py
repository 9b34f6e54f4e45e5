"""The control channel of a sender: requests, who may make them, and their replies."""

from rankcast_sender.control.control_thread import ControlThread
from rankcast_sender.control.controlled_camera import ControlledCamera
from rankcast_sender.control.request_handler import (
    OPERATOR,
    OPERATOR_ONLY,
    VIEWER,
    Client,
    RequestHandler,
)

__all__ = [
    "OPERATOR",
    "OPERATOR_ONLY",
    "VIEWER",
    "Client",
    "ControlThread",
    "ControlledCamera",
    "RequestHandler",
]
