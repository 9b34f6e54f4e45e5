"""ZeroMQ sockets of a sender, and the keys that may connect to them."""

from rankcast_sender.sockets.authenticator import Authenticator
from rankcast_sender.sockets.binding import REBIND_S, Context, bind, control_address
from rankcast_sender.sockets.channel import (
    Channel,
    Joins,
    NewStream,
    NumberedPacket,
    Outgoing,
    StreamPause,
    frames_in,
)
from rankcast_sender.sockets.key_policy import KeyPolicy
from rankcast_sender.sockets.status_schedule import StatusSchedule
from rankcast_sender.sockets.xpub import XpubThread

__all__ = [
    "REBIND_S",
    "Authenticator",
    "Channel",
    "Context",
    "Joins",
    "KeyPolicy",
    "NewStream",
    "NumberedPacket",
    "Outgoing",
    "StatusSchedule",
    "StreamPause",
    "XpubThread",
    "bind",
    "control_address",
    "frames_in",
]
