"""Binding: which addresses a sender takes, and one line where it cannot."""

from __future__ import annotations

import errno
import threading
import time
from typing import Any, Final, TypeAlias

import zmq

from rankcast.errors import SettingsError, TransportError
from rankcast.net import check_endpoint, control_endpoint

RETRY_S: Final = 0.02
NO_CONTROL: Final = "off"

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


def control_address(bind: str, control: str) -> str:
    """Address to bind for control, by the settings; empty is none.

    Raises
    ------
    SettingsError
        If it is no address, that of the frames, or there is no port 10 above theirs.
    """
    if control == NO_CONTROL:
        return ""
    address = control or control_endpoint(bind)
    if address == bind:
        raise SettingsError(f"got {control} for control, which is the address of the frames")
    return check_endpoint(address, bind=True)
