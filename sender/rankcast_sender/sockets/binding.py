"""Binding: binds the sockets of a sender and derives its control address."""

from __future__ import annotations

import errno
import os
import socket as socket_module
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeAlias

import zmq

from rankcast.errors import SettingsError, TransportError
from rankcast.net import check_endpoint, control_endpoint, ipc_path

RETRY_S: Final = 0.02
REBIND_S: Final = 2.0
"""libzmq releases an address asynchronously, some time after its socket was closed."""
PROBE_S: Final = 0.5
NO_CONTROL: Final = "off"

Context: TypeAlias = zmq.Context[zmq.Socket[bytes]]


@contextmanager
def _private(endpoint: str) -> Iterator[None]:
    """Let only this user connect to a Unix socket that is bound meanwhile.

    libzmq takes a path even from another process that listens there: look first.

    Raises
    ------
    ZMQError
        EADDRINUSE if somebody listens there.
    """
    path = ipc_path(endpoint)
    if not path:
        yield
        return
    with socket_module.socket(socket_module.AF_UNIX) as probe:
        probe.settimeout(PROBE_S)
        with suppress(OSError):
            probe.connect(path)
            raise zmq.ZMQError(errno.EADDRINUSE)
    # Of the whole process, for a moment: changing the rights afterwards would leave a gap.
    before = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(before)


def bind(socket: zmq.Socket[Any], endpoint: str, timeout_s: float = 0.0) -> None:
    """Bind `socket`; while the address is in use, try again for `timeout_s`.

    Raises
    ------
    TransportError
        If the address cannot be bound.
    """
    deadline_s = time.monotonic() + timeout_s
    pause = threading.Event()
    while True:
        try:
            with _private(endpoint):
                socket.bind(endpoint)
            return
        except zmq.ZMQError as exc:
            if exc.errno != errno.EADDRINUSE or time.monotonic() > deadline_s:
                raise TransportError(f"cannot listen at {endpoint}: {exc.strerror}") from exc
        pause.wait(RETRY_S)


def control_address(bind: str, control: str) -> str:
    """Return the control address that the settings ask for; empty for none.

    Raises
    ------
    SettingsError
        If the address is invalid or equals that of the frames, or if the frames port + 10
        exceeds the highest port.
    """
    if control == NO_CONTROL:
        return ""
    address = control or control_endpoint(bind)
    if address == bind:
        raise SettingsError(f"got control address {control}, which is also the frames address")
    return check_endpoint(address, bind=True)
