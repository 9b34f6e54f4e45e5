"""Flooder: a process that floods a sender, with pyzmq alone, as an admitted viewer could.

python flooder.py PORT KIND SECONDS [SECRET PUBLIC SERVER [SECRET PUBLIC SERVER]]

PORT is that of the frames for `subscriptions`, `crowd`, `leavers` and `cycles`, else
that of control. Other keys are those of the holders among the leavers.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import zmq

REQUEST_BYTES = 8100
"""Encrypted, still below the limit of 8 KiB."""
KINDS = ("subscriptions", "requests", "pings")


CROWD = 10
"""Connections of a crowd."""
HOLDERS = 30
HELD_TOPICS = 8
"""Of each of them: 216 kB together, which is allowed."""
ANOTHER = "127.0.0.9:0;"
"""A source address that no viewer has: without keys, all of one address wait for each other."""
LEAST_HOLDERS, LEAVERS = 10, 54
"""As many as one key or address may have, most of which end while the others hold 320 kB."""


def open_socket(
    port: int,
    kind: str,
    keys: list[str],
    context: zmq.Context[Any] | None = None,
    source: str = "",
) -> zmq.Socket[Any]:
    """Connect a socket with the usual options of pyzmq, from an address such as `ANOTHER`."""
    context = context or zmq.Context.instance()
    socket = context.socket(zmq.SUB if kind == "subscriptions" else zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    if kind == "subscriptions":
        socket.setsockopt(zmq.SNDHWM, 0)  # else libzmq drops most of them
    if keys:
        for option, value in zip(
            (zmq.CURVE_SECRETKEY, zmq.CURVE_PUBLICKEY, zmq.CURVE_SERVERKEY), keys, strict=True
        ):
            socket.setsockopt(option, value.encode())
    socket.connect(f"tcp://{source}127.0.0.1:{port}")
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


def flood_with_a_crowd(port: int, seconds: float, keys: list[str]) -> int:
    """Request key frames, ping, join and leave as fast as possible, over ten connections at once.

    libzmq connects them again whenever they are closed.
    """
    from rankcast.net import CONTROL_PORT_OFFSET
    from rankcast.wire import Request, frames_topic, pack_request, viewer_topic

    requests = [
        pack_request(Request(1, "keyframe", "cam", {})),
        pack_request(Request(2, "ping", "", {"t0": 1})),
    ]
    sent, ends = 0, time.monotonic() + seconds
    joins = [open_socket(port, "subscriptions", keys) for _ in range(CROWD // 2)]
    asks = [open_socket(port + CONTROL_PORT_OFFSET, "pings", keys) for _ in range(CROWD // 2)]
    while time.monotonic() < ends:
        for join in joins:
            for topic in (frames_topic("cam"), viewer_topic(os.urandom(16), "cam")):
                join.setsockopt(zmq.SUBSCRIBE, topic)
                join.setsockopt(zmq.UNSUBSCRIBE, topic)
            drain(join)
        for ask in asks:
            with suppress(zmq.Again):  # the other end reads no faster, or has hung up
                for request in requests:
                    ask.send(request, zmq.NOBLOCK)
                    sent += 1
            drain(ask)
    for socket in joins + asks:
        socket.close()
    return sent


def come_and_go(port: int, seconds: float, keys: list[str], holders_keys: list[str]) -> int:
    """Hold many topics over some connections, and let others come and go without a pause."""
    ends, done = time.monotonic() + seconds, 0
    holders = [
        open_socket(port, "subscriptions", holders_keys, source=ANOTHER) for _ in range(HOLDERS)
    ]
    for holder in holders:
        for _ in range(HELD_TOPICS):
            holder.setsockopt(zmq.SUBSCRIBE, os.urandom(900))
    while time.monotonic() < ends:
        with open_socket(port, "subscriptions", keys, source=ANOTHER) as leaver:
            leaver.setsockopt(zmq.SUBSCRIBE, b"\0gone")
            with leaver.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED) as monitor:
                done += monitor.poll(100)
                leaver.disable_monitor()
    for holder in holders:
        holder.close()
    return done


def hold_and_leave(port: int, seconds: float, keys: list[str]) -> int:
    """Connect, take many topics, leave with all connections but some, give the topics up, again."""
    ends, done = time.monotonic() + seconds, 0
    holders = [
        open_socket(port, "subscriptions", keys, source=ANOTHER) for _ in range(LEAST_HOLDERS)
    ]
    while time.monotonic() < ends:
        leavers = [open_socket(port, "subscriptions", keys, source=ANOTHER) for _ in range(LEAVERS)]
        time.sleep(0.3)  # they connect
        topics = [os.urandom(900) for _ in range(34)]
        for holder in holders:
            for topic in topics:
                holder.setsockopt(zmq.SUBSCRIBE, topic + os.urandom(8))
        time.sleep(0.3)  # and are read
        for leaver in leavers:
            leaver.close()
        done += LEAVERS
        for number, holder in enumerate(holders):
            holder.close()  # with all its topics
            holders[number] = open_socket(port, "subscriptions", keys, source=ANOTHER)
    for holder in holders:
        holder.close()
    return done


def drain(socket: zmq.Socket[Any]) -> None:
    """Take what has come."""
    with suppress(zmq.Again):
        while True:
            socket.recv(zmq.NOBLOCK)


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
    at, what, lasts, its_keys = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4:]
    if what == "crowd":
        count = flood_with_a_crowd(at, lasts, its_keys)
    elif what == "leavers":
        count = come_and_go(at, lasts, its_keys[:3], its_keys[-3:])
    elif what == "cycles":
        count = hold_and_leave(at, lasts, its_keys)
    else:
        count = flood(at, what, lasts, its_keys)
    sys.stdout.write(f"{count}\n")
