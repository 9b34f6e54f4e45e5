"""The control channel of a sender: requests, who may make them, and their replies."""

from rankcast_sender.control.control_thread import ControlThread
from rankcast_sender.control.controlled_camera import ControlledCamera, WatchedCamera
from rankcast_sender.control.request_handler import (
    OPERATOR,
    OPERATOR_ONLY,
    VIEWER,
    Client,
    Relaying,
    RequestHandler,
)
from rankcast_sender.control.settings_changes import Finish

__all__ = [
    "OPERATOR",
    "OPERATOR_ONLY",
    "VIEWER",
    "Client",
    "ControlThread",
    "ControlledCamera",
    "Finish",
    "Relaying",
    "RequestHandler",
    "WatchedCamera",
]
