"""Peers of the bound sockets: who they are, and what one of them may send."""

from rankcast_sender.peers.connection_guard import Ban, ConnectionGuard, Watch
from rankcast_sender.peers.flood_limit import REBIND_INTERVAL_S, FloodLimit
from rankcast_sender.peers.peer import address_of, descriptor_of, user_of
from rankcast_sender.peers.rate_limit import RateLimit

__all__ = [
    "REBIND_INTERVAL_S",
    "Ban",
    "ConnectionGuard",
    "FloodLimit",
    "RateLimit",
    "Watch",
    "address_of",
    "descriptor_of",
    "user_of",
]
