"""Viewers that count packets and decode none, as `benchmarks/relay.py` wants them.

    python benchmarks/relay_viewers.py SECONDS COUNT ADDRESS [ADDRESS]

COUNT viewers of all cameras at each address, in one thread. SECONDS after the first frame it writes
JSON: the
number of packets that each got and, with two addresses and one viewer, how much later each frame
came to the second one, in ms.
"""

from __future__ import annotations

import json
import os
import string
import sys
import time
from typing import Final

import zmq

from rankcast.wire import Limits, split_message, token_of, unpack, viewer_topic

START_S: Final = 30.0
"""Longest wait for the first frame."""


def subscribe(context: zmq.Context[zmq.Socket[bytes]], address: str) -> zmq.Socket[bytes]:
    """Connect a viewer of all cameras."""
    socket = context.socket(zmq.XSUB)
    socket.setsockopt(zmq.LINGER, 0)
    socket.connect(address)
    for character in string.ascii_lowercase + string.digits + "_-":
        socket.send(b"\1" + character.encode())
    socket.send(b"\1" + viewer_topic(os.urandom(16), None))
    return socket


def main() -> None:
    """Count for a while, and write what came."""
    seconds, count, addresses = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    timed = len(addresses) == 2
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sockets = [subscribe(context, address) for address in addresses for _ in range(count)]
    poller, arrived = zmq.Poller(), [dict[int, float]() for _ in sockets]
    numbers = {socket: number for number, socket in enumerate(sockets)}
    counts = [0] * len(sockets)
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    began, ends_s = False, time.monotonic() + START_S
    while (left_s := ends_s - time.monotonic()) > 0:
        for socket, _ in poller.poll(1000 * left_s):
            now_s, number = time.monotonic(), numbers[socket]
            message = memoryview(socket.recv())
            if token_of(message) is not None:
                continue
            _, channel, data = split_message(message)
            if channel != "frames":
                continue
            if not began:
                began, ends_s = True, now_s + seconds
            counts[number] += 1
            if timed:
                arrived[number][unpack(data, Limits()).header.sequence] = now_s
    later_ms = []
    if timed:
        direct, relayed = arrived
        later_ms = [1e3 * (at_s - direct[n]) for n, at_s in relayed.items() if n in direct]
    context.destroy(linger=0)
    json.dump({"counts": counts, "later_ms": later_ms}, sys.stdout)


if __name__ == "__main__":
    main()
