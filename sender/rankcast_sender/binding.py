"""Binding: a socket takes an address, or one line says why it cannot."""

from __future__ import annotations

import errno
import threading
import time
from typing import Any, TypeAlias

import zmq

from rankcast.errors import TransportError

RETRY_S = 0.02

Context: TypeAlias = zmq.Context[zmq.Socket[bytes]]


def bind(socket: zmq.Socket[Any], endpoint: str, patience_s: float = 0.0) -> None:
    """Bind `socket`, again while the address is still taken and `patience_s` lasts.

    Raises
    ------
    TransportError
        If the address cannot be bound.
    """
    deadline = time.monotonic() + patience_s
    pause = threading.Event()
    while True:
        try:
            socket.bind(endpoint)
            return
        except zmq.ZMQError as exc:
            if exc.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise TransportError(f"cannot listen at {endpoint}: {exc.strerror}") from exc
        pause.wait(RETRY_S)
