"""Stored: one message as a consumer of JetStream delivers it."""

from __future__ import annotations

from dataclasses import dataclass

from rankcast.errors import WireError
from rankcast.nats.client import Message


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands in its stream and among those of its consumer."""

    deliveries: int
    """1, or more if it was delivered before."""
    stream_sequence: int
    consumer_sequence: int
    t_stored_ns: int
    """UTC at the server when it took the message."""
    pending: int
    """Messages of the stream that follow for this consumer."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One message of a stream."""

    subject: str
    data: bytes
    acknowledge_to: str
    """Subject on which an acknowledgement is published."""
    place: Place


def parse_ack_subject(text: str) -> Place:
    """Parse the subject on which a delivered message is acknowledged.

    Raises
    ------
    WireError
        If the message was not delivered by JetStream.
    """
    words = text.split(".")
    # With the domain and the account of its server: the same numbers two words further on.
    first = {9: 4, 12: 6}.get(len(words))
    if first is None or words[:2] != ["$JS", "ACK"]:
        raise WireError(f"got reply subject {text!r:.80}, want $JS.ACK.STREAM.CONSUMER...")
    numbers = words[first : first + 5]
    # What Python takes for digits in other scripts, or with underscores, is none of NATS.
    if not all(word.isascii() and word.isdigit() and len(word) <= 20 for word in numbers):
        raise WireError(f"got reply subject {text!r:.80}, want numbers in it")
    return Place(*map(int, numbers))


def stored_of(message: Message) -> Stored:
    """Return a delivered message with its place.

    Raises
    ------
    WireError
        If it was not delivered by JetStream.
    """
    return Stored(message.subject, message.data, message.reply, parse_ack_subject(message.reply))
