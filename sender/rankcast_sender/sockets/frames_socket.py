"""The XPUB socket of a sender, with the options that it needs before it is bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import zmq

from rankcast.net import SocketOptions, open_socket
from rankcast.wire import split_stream
from rankcast_sender.sockets.binding import Context

RECEIVE_BUFFER_BYTES: Final = 4096
"""Slows a flood on loopback to 60 MB/s; 64 named cameras take four round trips."""


def frames_socket(
    context: Context, options: SocketOptions, *, lossless: bool, manual: bool
) -> zmq.Socket[bytes]:
    """Return a new XPUB socket that is not bound; the caller closes it.

    Parameters
    ----------
    context : zmq.Context
    options : SocketOptions
    lossless : bool
        True: a viewer whose queue is full blocks the sender.
    manual : bool
        True: libzmq follows a subscription only when it is told to.
    """
    xpub = open_socket(context, zmq.XPUB, options)
    xpub.setsockopt(zmq.XPUB_NODROP, int(lossless))
    # Every viewer that joins gets a keyframe, even one without a topic of its own.
    xpub.setsockopt(zmq.XPUB_VERBOSE, 1)
    xpub.setsockopt(zmq.XPUB_MANUAL, int(manual))
    # Viewers send little: a small buffer only slows a flood down.
    xpub.setsockopt(zmq.RCVBUF, RECEIVE_BUFFER_BYTES)
    return xpub


def sized(options: SocketOptions, streams: Sequence[str]) -> SocketOptions:
    """Return the options with a queue for all cameras, which share the one of each viewer."""
    # A viewer has one stream of a camera, but for the moment when it changes to another; a relay
    # has those that its viewers watch, and a queue that is shorter in time.
    cameras = max(1, len({split_stream(name)[0] for name in streams}))
    statuses = len(streams) if len(streams) > 1 else 0
    return replace(options, queue_messages=options.queue_messages * cameras + statuses)
