"""ZeroMQ sockets of a sender, and who may connect to them."""

from rankcast_sender.sockets.authenticator import Authenticator
from rankcast_sender.sockets.binding import Context, bind, control_address
from rankcast_sender.sockets.peer import user_of
from rankcast_sender.sockets.wakeup import Wakeup
from rankcast_sender.sockets.xpub import Channel, XpubThread

__all__ = [
    "Authenticator",
    "Channel",
    "Context",
    "Wakeup",
    "XpubThread",
    "bind",
    "control_address",
    "user_of",
]
