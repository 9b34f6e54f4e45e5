"""Peer: properties that libzmq records for the connection of a message."""

from __future__ import annotations

import zmq

from rankcast.net import Z85_CHARS


def user_id(public: bytes, handshake: int) -> bytes:
    """Return the user id of a connection: its key, and the number of its handshake unless 0."""
    return public + (b"%d" % handshake if handshake else b"")


def user_of(frame: zmq.Frame) -> str:
    """Return the key behind the connection of `frame`; empty if there is none."""
    return _property(frame, "User-Id")[:Z85_CHARS]


def handshake_of(frame: zmq.Frame) -> int:
    """Return the number of the handshake of the connection of `frame`; 0 if there is none.

    With keys alone: without, a peer may claim any user id.
    """
    number = _property(frame, "User-Id")[Z85_CHARS:]
    return int(number) if number.isdecimal() else 0


def address_of(frame: zmq.Frame) -> str:
    """Return the address of the peer, without its port; empty when it has disconnected."""
    return _property(frame, "Peer-Address")


def descriptor_of(frame: zmq.Frame) -> int:
    """Return the descriptor of the connection of `frame`, which may be closed by now, or -1."""
    try:
        return int(frame.get(zmq.SRCFD))
    except zmq.ZMQError:  # a message of libzmq's own, such as the end of a subscription
        return -1


def _property(frame: zmq.Frame, name: str) -> str:
    try:
        return str(frame.get(name))
    except zmq.ZMQError:  # no such property
        return ""
