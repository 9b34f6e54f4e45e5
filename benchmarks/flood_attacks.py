"""What the attacker of the flood benchmark does, in a process of its own.

Each function attacks the ports for frames and control for some seconds, and returns how many
connections, messages or bytes it got through.
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any, Final

import zmq
from zmq.utils.monitor import parse_monitor_message

from rankcast.net import CurveClient, SocketOptions, configure
from rankcast.wire import MAX_REQUEST_BYTES, Request, pack_request, viewer_topic

CONNECTIONS_PER_S: Final = 200
PARTS_BYTES_PER_S: Final = 10_000_000
TOPICS_BYTES: Final = 5_000_000
RENEW_S: Final = 1.0
"""How long that peer uses one connection: libzmq gives up where a key is refused."""
MOST_TOPICS: Final = 200
"""Of one connection of the crowd. The attacker's own libzmq takes 45 kB to remember a topic of 900
bytes: 540 MB for a crowd."""
CROWD: Final = 60
"""Connections of a crowd to each port, each from an address of its own."""
HOLDERS: Final = 30
HELD_TOPICS: Final = 8
"""Of each of them: 216 kB together, which is allowed."""
POLITE_S: Final = {"keyframe": 900, "ping": 18, "status": 18}
"""Requests a second of a polite peer, all below the budgets of one connection."""
POLITE_JOINS_S: Final = 90
GREETING: Final = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01%s\0" + bytes(31)
"""ZMTP 3.1: signature, version, mechanism in 20 bytes, as-server."""


def greeting(mechanism: bytes) -> bytes:
    """Return the greeting of a client with this mechanism."""
    return GREETING % mechanism.ljust(20, b"\0")


def paced(seconds: float, rate: float) -> Iterator[int]:
    """Yield numbers at `rate` a second for `seconds`, late ones at once."""
    started = time.monotonic()
    for number in range(round(seconds * rate)):
        time.sleep(max(0.0, started + number / rate - time.monotonic()))  # the pace of the attack
        yield number


def dial(port: int) -> socket.socket | None:
    """Connect to a loopback port; None if that fails."""
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=1)
    except OSError:
        return None


def junk(ports: list[int], seconds: float, _: CurveClient | None) -> int:
    """Connect, send random bytes, disconnect."""
    done = 0
    for number in paced(seconds, CONNECTIONS_PER_S):
        with suppress(OSError), ExitStack() as stack:
            if connection := dial(ports[number % len(ports)]):
                stack.enter_context(connection)
                connection.sendall(os.urandom(1024))
                done += 1
    return done


def half_open(ports: list[int], seconds: float, _: CurveClient | None) -> int:
    """Send a greeting, then nothing; hold the connection although the sender hangs up."""
    with ExitStack() as stack:
        done = 0
        for number in paced(seconds, CONNECTIONS_PER_S):
            if connection := dial(ports[number % len(ports)]):
                stack.enter_context(connection)
                with suppress(OSError):
                    connection.sendall(greeting(b"CURVE"))
                done += 1
        return done


def raw(ports: list[int], seconds: float, mechanism: bytes, block: bytes) -> int:
    """Greet, then send `block` endlessly, reconnecting if cut off; return the bytes accepted."""
    sent, connection, turn = 0, None, 0
    hello = greeting(mechanism)
    if mechanism == b"NULL":
        ready = b"\x05READY\x0bSocket-Type\0\0\0\x03SUB"
        hello += bytes((4, len(ready))) + ready
    for _ in paced(seconds, PARTS_BYTES_PER_S / len(block)):
        if connection is None:
            turn += 1
            if (connection := dial(ports[turn % len(ports)])) is None:
                continue
            with suppress(OSError):
                connection.sendall(hello)
        try:
            connection.sendall(block)
            sent += len(block)
        except OSError:
            connection.close()
            connection = None
    if connection is not None:
        connection.close()
    return sent


def endless_parts(ports: list[int], seconds: float, _: CurveClient | None) -> int:
    """Send one message with endless parts, as a peer without encryption."""
    part = b"\x01\xff" + bytes(255)  # MORE, 255 bytes
    return raw(ports, seconds, b"NULL", part * 256)


def endless_commands(ports: list[int], seconds: float, _: CurveClient | None) -> int:
    """Send endless commands within a CURVE handshake."""
    command = b"\x04\xc8\x05HELLO" + bytes(194)  # as long as a real HELLO
    return raw(ports, seconds, b"CURVE", command * 256)


def plain_subscriptions(ports: list[int], seconds: float, _: CurveClient | None) -> int:
    """Subscribe to 5 MB of random topics of 250 bytes, as a peer without encryption."""
    topics = b"".join(
        struct.pack("BB", 0, 251) + b"\x01" + os.urandom(250) for _ in range(TOPICS_BYTES // 253)
    )
    return raw(ports, seconds, b"NULL", topics[: 1 << 20])


def strangers(ports: list[int], seconds: float, keys: CurveClient | None) -> int:
    """Complete handshakes with unauthorised keys, each followed by subscriptions."""
    assert keys is not None
    done, held = 0, []
    with zmq.Context() as context:
        for number in paced(seconds, CONNECTIONS_PER_S):
            public, secret = zmq.curve_keypair()
            stranger = CurveClient(secret, public, keys.server_public)
            sub = context.socket(zmq.SUB)
            configure(sub, SocketOptions(4, 65536, 1024, curve=stranger))
            for _ in range(10):
                sub.setsockopt(zmq.SUBSCRIBE, os.urandom(200))
            sub.connect(f"tcp://127.0.0.1:{ports[number % len(ports)]}")
            held.append(sub)
            if len(held) > CONNECTIONS_PER_S:
                held.pop(0).close(linger=0)
            done += 1
        for sub in held:
            sub.close(linger=0)
    return done


class Peer:
    """A connection of pyzmq that knows whether it is established.

    Parameters
    ----------
    context : zmq.Context
    port : int
    keys : CurveClient or None
    subscribes : bool
        For the frames; False for control.
    source : str, optional
        Address that it comes from; None is the usual one.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        port: int,
        keys: CurveClient | None,
        subscribes: bool,
        source: str | None = None,
    ) -> None:
        self.sent = 0
        self.socket = context.socket(zmq.SUB if subscribes else zmq.DEALER)
        configure(self.socket, SocketOptions(0 if subscribes else 1000, 65536, 1 << 20, curve=keys))
        self._monitor = self.socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        )
        self._is_up = False
        self.socket.connect(f"tcp://{source + ':0;' if source else ''}127.0.0.1:{port}")

    def is_up(self) -> bool:
        """Return True while the connection is established."""
        with suppress(zmq.Again):
            while True:
                event = parse_monitor_message(self._monitor.recv_multipart(zmq.NOBLOCK))
                self._is_up = event["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED
        return self._is_up

    def wait_up(self, seconds: float) -> bool:
        """Wait until it is established."""
        return self.is_up() or (
            bool(self._monitor.poll(round(1000 * max(0.0, seconds)))) and self.is_up()
        )

    def subscribe(self, topic: bytes) -> None:
        """Subscribe; it counts if the connection is up."""
        self.sent += self.is_up()
        self.socket.setsockopt(zmq.SUBSCRIBE, topic)

    def ask(self, request: bytes) -> None:
        """Send a request, and take what was answered; it counts if the connection is up."""
        if self.is_up():
            with suppress(zmq.Again):  # the other end reads no faster
                self.socket.send(request, zmq.NOBLOCK)
                self.sent += 1
        self.drain()

    def drain(self) -> None:
        """Take what has come."""
        with suppress(zmq.Again):
            while True:
                self.socket.recv(zmq.NOBLOCK)

    def close(self) -> None:
        """Close the connection."""
        self.socket.disable_monitor()
        self._monitor.close(0)
        self.socket.close(linger=0)


def addresses() -> Iterator[str | None]:
    """Yield loopback addresses without end; other systems than Linux have the usual one alone.

    A sender without keys makes an address wait whose connections it has cut, or that connects too
    often: an attacker that has many goes on.
    """
    for number in itertools.count(1):
        low, high = number % 250 + 1, number // 250 % 250
        yield f"127.9.{high}.{low}" if sys.platform == "linux" else None


PING: Final = pack_request(Request(1, "ping", "", {"t0": 1}))


def flood_peer(
    ports: list[int], seconds: float, keys: CurveClient | None, sources: Iterator[str | None]
) -> int:
    """Flood both ports as fast as pyzmq can, in turn with subscriptions, requests and pings."""
    request = bytes(MAX_REQUEST_BYTES - 100)  # encrypted, still below the limit
    done, turn, until = 0, 0, time.monotonic() + seconds
    with zmq.Context() as context:
        while time.monotonic() < until:
            turn += 1
            subscribes, message = turn % 3 == 0, (PING, request)[turn % 2]
            peer = Peer(context, ports[0 if subscribes else 1], keys, subscribes, next(sources))
            renews = min(until, time.monotonic() + RENEW_S)
            while time.monotonic() < renews:
                if not peer.is_up():
                    peer.wait_up(renews - time.monotonic())
                elif subscribes:
                    peer.subscribe(os.urandom(46))
                else:
                    peer.ask(message)
            done += peer.sent
            peer.close()
    return done


def admitted_peer(ports: list[int], seconds: float, keys: CurveClient | None) -> int:
    """Flood with a key, which is refused after each burst, for longer each time."""
    return flood_peer(ports, seconds, keys, itertools.repeat(None))


def open_peer(ports: list[int], seconds: float, keys: CurveClient | None) -> int:
    """Flood a sender without keys, coming back at once from another address."""
    return flood_peer(ports, seconds, keys, addresses())


def polite_peer(ports: list[int], seconds: float, keys: CurveClient | None) -> int:
    """Stay just below all limits for the whole time, with one connection to each port."""
    with zmq.Context() as context:
        join, asks = Peer(context, ports[0], keys, True), Peer(context, ports[1], keys, False)
        requests = {op: pack_request(Request(1, op, "cam" if op == "keyframe" else "", {}))
                    for op in POLITE_S} | {"ping": PING}  # fmt: skip
        sent, joins, started = dict.fromkeys(POLITE_S, 0), 0, time.monotonic()
        for _ in paced(seconds, 100):
            passed = time.monotonic() - started
            for op, rate in POLITE_S.items():
                while sent[op] < passed * rate:
                    asks.ask(requests[op])
                    sent[op] += 1
            while joins < passed * POLITE_JOINS_S:
                topic = viewer_topic(os.urandom(16), "cam")
                join.subscribe(topic)
                join.socket.setsockopt(zmq.UNSUBSCRIBE, topic)
                joins += 1
            join.drain()
        done = join.sent + asks.sent
        join.close()
        asks.close()
    return done


def crowd(ports: list[int], seconds: float, keys: CurveClient | None) -> int:
    """Hold many connections to each port, each of which piles up what is below its allowance."""
    sources = addresses()
    with zmq.Context() as context:
        joins = [Peer(context, ports[0], keys, True, next(sources)) for _ in range(CROWD)]
        asks = [Peer(context, ports[1], keys, False, next(sources)) for _ in range(CROWD)]
        until, done = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            for place, (join, ask) in enumerate(zip(joins, asks, strict=True)):
                if join.is_up():
                    join.subscribe(os.urandom(900))
                if join.sent >= MOST_TOPICS:
                    # A subscriber keeps all its topics: this one would fill the machine itself.
                    done += join.sent
                    join.close()
                    joins[place] = Peer(context, ports[0], keys, True, next(sources))
                ask.ask(PING)
        done += sum(peer.sent for peer in joins + asks)
        for peer in joins + asks:
            peer.close()
    return done


def leavers(ports: list[int], seconds: float, keys: CurveClient | None) -> int:
    """Hold many topics over some connections, and let others come and go without a pause.

    libzmq searches all topics whenever a connection ends. Those count that were established.
    """
    with zmq.Context() as context:
        holders = [Peer(context, ports[0], keys, True) for _ in range(HOLDERS)]
        until, done = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            for holder in holders:
                if holder.is_up() and holder.sent < HELD_TOPICS:
                    holder.subscribe(os.urandom(900))
            leaver = Peer(context, ports[0], keys, True)
            done += leaver.wait_up(RENEW_S)
            leaver.subscribe(b"gone")
            leaver.close()
        for holder in holders:
            holder.close()
    return done
