"""Streams that a NATS server keeps with JetStream: their making, and reading from them.

Loads asyncio, as `rankcast.nats.client` does.
"""

from rankcast.nats.jetstream.api import ConsumerFacts, JetStream, StreamFacts
from rankcast.nats.jetstream.durable_reader import DurableReader
from rankcast.nats.jetstream.keeping import Kept, keep, stream_name
from rankcast.nats.jetstream.start import Start, key_frame_before, place_of
from rankcast.nats.jetstream.stored import Stored, parse_ack_subject
from rankcast.nats.jetstream.stream_reader import StreamReader

__all__ = [
    "ConsumerFacts",
    "DurableReader",
    "JetStream",
    "Kept",
    "Start",
    "Stored",
    "StreamFacts",
    "StreamReader",
    "keep",
    "key_frame_before",
    "parse_ack_subject",
    "place_of",
    "stream_name",
]
