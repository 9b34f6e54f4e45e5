"""The web address of a receiver: a page, HTTP for other programs, and live packets."""

from rankcast_receiver.web.receiver_view import ReceiverView
from rankcast_receiver.web.server import WebOptions, WebServer

__all__ = ["ReceiverView", "WebOptions", "WebServer"]
