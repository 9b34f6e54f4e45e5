"""Connections to NATS servers, in event loops of their own; loads asyncio.

Only `library` imports the client library, and only once a connection is opened.
"""

from rankcast.nats.client.connection import NatsConnection, NatsState
from rankcast.nats.client.fleet import Fleet, FleetCamera, list_fleet
from rankcast.nats.client.loop_thread import LoopThread
from rankcast.nats.client.message import Message
from rankcast.nats.client.request import request_once

__all__ = [
    "Fleet",
    "FleetCamera",
    "LoopThread",
    "Message",
    "NatsConnection",
    "NatsState",
    "list_fleet",
    "request_once",
]
