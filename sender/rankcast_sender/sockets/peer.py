"""Peer: what libzmq knows of the connection that a message came on."""

from __future__ import annotations

import zmq


def user_of(frame: zmq.Frame) -> str:
    """User id that authentication gave to the connection of `frame`; empty without any."""
    return _property(frame, "User-Id")


def address_of(frame: zmq.Frame) -> str:
    """Address of the other end, without its port; empty when it was gone at once."""
    return _property(frame, "Peer-Address")


def _property(frame: zmq.Frame, name: str) -> str:
    try:
        return str(frame.get(name))
    except zmq.ZMQError:  # no such property
        return ""
