"""The connection from a receiver to one sender."""

from rankcast_receiver.net.connection import Connection
from rankcast_receiver.net.endpoints import check_endpoints

__all__ = [
    "Connection",
    "check_endpoints",
]
