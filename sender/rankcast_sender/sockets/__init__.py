"""ZeroMQ sockets of a sender, and the keys that may connect to them."""

from rankcast_sender.sockets.authenticator import Authenticator
from rankcast_sender.sockets.binding import REBIND_S, Context, bind, control_address
from rankcast_sender.sockets.channel import Channel
from rankcast_sender.sockets.connection_guard import ConnectionGuard, Watch
from rankcast_sender.sockets.flood_limit import Ban, FloodLimit
from rankcast_sender.sockets.peer import descriptor_of, user_of
from rankcast_sender.sockets.peer_limits import RateLimit
from rankcast_sender.sockets.xpub import XpubThread

__all__ = [
    "REBIND_S",
    "Authenticator",
    "Ban",
    "Channel",
    "ConnectionGuard",
    "Context",
    "FloodLimit",
    "RateLimit",
    "Watch",
    "XpubThread",
    "bind",
    "control_address",
    "descriptor_of",
    "user_of",
]
