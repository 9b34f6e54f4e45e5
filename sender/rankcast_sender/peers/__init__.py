"""Peers of the bound sockets: who they are, and what one of them may send."""

from rankcast_sender.peers.connection_guard import ConnectionGuard
from rankcast_sender.peers.dropped_messages import DroppedMessages
from rankcast_sender.peers.flood_limit import REBIND_INTERVAL_S, FloodLimit
from rankcast_sender.peers.handshakes import CAN_TELL, Handshakes
from rankcast_sender.peers.peer import (
    address_of,
    descriptor_of,
    handshake_of,
    user_id,
    user_of,
)
from rankcast_sender.peers.rate_limit import RateLimit
from rankcast_sender.peers.tcp_connection import connection_of
from rankcast_sender.peers.watch import MAX_CONNECTIONS, Ban, Watch

__all__ = [
    "CAN_TELL",
    "MAX_CONNECTIONS",
    "REBIND_INTERVAL_S",
    "Ban",
    "ConnectionGuard",
    "DroppedMessages",
    "FloodLimit",
    "Handshakes",
    "RateLimit",
    "Watch",
    "address_of",
    "connection_of",
    "descriptor_of",
    "handshake_of",
    "user_id",
    "user_of",
]
