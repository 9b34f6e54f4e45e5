"""Peer: what libzmq knows about the connection that a message came from."""

from __future__ import annotations

import zmq


def user_of(frame: zmq.Frame) -> str:
    """Return the user id that authentication gave the connection of `frame`; empty without any."""
    return _property(frame, "User-Id")


def address_of(frame: zmq.Frame) -> str:
    """Return the address of the peer, without its port; empty when it has disconnected."""
    return _property(frame, "Peer-Address")


def _property(frame: zmq.Frame, name: str) -> str:
    try:
        return str(frame.get(name))
    except zmq.ZMQError:  # no such property
        return ""
