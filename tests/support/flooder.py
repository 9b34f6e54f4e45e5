"""Flooder: a process that floods a sender, with pyzmq alone, as an admitted viewer could.

python flooder.py PORT KIND SECONDS [SECRET PUBLIC SERVER]
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import zmq

REQUEST_BYTES = 8100
"""Encrypted, still below the limit of 8 KiB."""
KINDS = ("subscriptions", "requests", "pings")


def open_socket(port: int, kind: str, keys: list[str]) -> zmq.Socket[Any]:
    """Connect a socket with the usual options of pyzmq."""
    context = zmq.Context.instance()
    socket = context.socket(zmq.SUB if kind == "subscriptions" else zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    if kind == "subscriptions":
        socket.setsockopt(zmq.SNDHWM, 0)  # else libzmq drops most of them
    if keys:
        for option, value in zip(
            (zmq.CURVE_SECRETKEY, zmq.CURVE_PUBLICKEY, zmq.CURVE_SERVERKEY), keys, strict=True
        ):
            socket.setsockopt(option, value.encode())
    socket.connect(f"tcp://127.0.0.1:{port}")
    return socket


def flood(port: int, kind: str, seconds: float, keys: list[str]) -> int:
    """Send as fast as possible, and reconnect every second, for `seconds`."""
    from rankcast.wire import Request, pack_request

    ping = pack_request(Request(1, "ping", "", {"t0": 1}))
    sent, ends = 0, time.monotonic() + seconds
    while time.monotonic() < ends:
        renews = min(ends, time.monotonic() + 1.0)
        with open_socket(port, kind, keys) as socket:
            while time.monotonic() < renews:
                try:
                    if kind == "subscriptions":
                        socket.setsockopt(zmq.SUBSCRIBE, os.urandom(46))
                    else:
                        socket.send(ping if kind == "pings" else b"x" * REQUEST_BYTES, zmq.NOBLOCK)
                    sent += 1
                except zmq.Again:
                    time.sleep(0.001)  # the other end reads no faster, or has hung up
                if kind != "subscriptions" and socket.getsockopt(zmq.EVENTS) & zmq.POLLIN:
                    socket.recv()
    return sent


@contextmanager
def flooding(
    port: int, kind: str, seconds: float, keys: tuple[str, ...] = (), **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Flood a port from another process; its output is the number of messages."""
    with subprocess.Popen(
        [sys.executable, __file__, str(port), kind, str(seconds), *keys],
        stdout=subprocess.PIPE, text=True, env={**os.environ, **environment},
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


if __name__ == "__main__":
    count = flood(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4:])
    sys.stdout.write(f"{count}\n")
