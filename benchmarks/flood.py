"""Impact of hostile peers on a sender with keys: memory, and frames lost by its viewers.

    python benchmarks/flood.py [--quick] [--output FILE.json]

A real sender with keys streams to two authorised viewers over loopback, while a separate process
without an authorised key attacks both ports of the sender in several ways, one after the other. A
peer with a key of its own then floods them for ten minutes with subscriptions, requests and pings.
Memory is the peak resident size during the attack over the median before it; frames are those that
the viewers received, as a share of those produced meanwhile. An attack that achieved nothing proves
nothing and fails.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil
import zmq
from command_line import finish, option_parser, say
from rankcast.kernels.warm import warm
from record import Record, Row, at_least, at_most, rounded

from rankcast.net import (
    CONTROL_PORT_OFFSET,
    CurveClient,
    Role,
    SocketOptions,
    authorize,
    client_keys,
    configure,
    new_key,
)
from rankcast.wire import MAX_REQUEST_BYTES, Request, pack_request
from rankcast_receiver import Subscriber

FPS: Final = 30
SOURCE: Final = f"synthetic:conveyor?width=640&height=360&fps={FPS}"
VIEWERS: Final = 2
CONNECTIONS_PER_S: Final = 200
PARTS_BYTES_PER_S: Final = 10_000_000
TOPICS_BYTES: Final = 5_000_000
MAX_GROWTH_MB: Final = 16.0
MAX_ADMITTED_GROWTH_MB: Final = 200.0
ADMITTED: Final = "mallory"
"""Name of the key of the peer that is admitted."""
RENEW_S: Final = 1.0
"""How long that peer uses one connection: libzmq gives up where a key is refused."""
MIN_FRAMES_KEPT: Final = 0.95
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


def junk(ports: list[int], seconds: float, _: CurveClient) -> int:
    """Connect, send random bytes, disconnect."""
    done = 0
    for number in paced(seconds, CONNECTIONS_PER_S):
        with suppress(OSError), ExitStack() as stack:
            if connection := dial(ports[number % len(ports)]):
                stack.enter_context(connection)
                connection.sendall(os.urandom(1024))
                done += 1
    return done


def half_open(ports: list[int], seconds: float, _: CurveClient) -> int:
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


def endless_parts(ports: list[int], seconds: float, _: CurveClient) -> int:
    """Send one message with endless parts, as a peer without encryption."""
    part = b"\x01\xff" + bytes(255)  # MORE, 255 bytes
    return raw(ports, seconds, b"NULL", part * 256)


def endless_commands(ports: list[int], seconds: float, _: CurveClient) -> int:
    """Send endless commands within a CURVE handshake."""
    command = b"\x04\xc8\x05HELLO" + bytes(194)  # as long as a real HELLO
    return raw(ports, seconds, b"CURVE", command * 256)


def plain_subscriptions(ports: list[int], seconds: float, _: CurveClient) -> int:
    """Subscribe to 5 MB of random topics of 250 bytes, as a peer without encryption."""
    topics = b"".join(
        struct.pack("BB", 0, 251) + b"\x01" + os.urandom(250) for _ in range(TOPICS_BYTES // 253)
    )
    return raw(ports, seconds, b"NULL", topics[: 1 << 20])


def strangers(ports: list[int], seconds: float, keys: CurveClient) -> int:
    """Complete handshakes with unauthorised keys, each followed by subscriptions."""
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


def admitted_peer(ports: list[int], seconds: float, keys: CurveClient) -> int:
    """Flood both ports as fast as pyzmq can, in turn with subscriptions, requests and pings."""
    ping = pack_request(Request(1, "ping", "", {"t0": 1}))
    request = bytes(MAX_REQUEST_BYTES - 100)  # encrypted, still below the limit
    done, turn, until = 0, 0, time.monotonic() + seconds
    with zmq.Context() as context:
        while time.monotonic() < until:
            turn += 1
            subscribes, message = turn % 3 == 0, (ping, request)[turn % 2]
            peer = context.socket(zmq.SUB if subscribes else zmq.DEALER)
            configure(peer, SocketOptions(0 if subscribes else 1000, 65536, 1 << 20, curve=keys))
            peer.connect(f"tcp://127.0.0.1:{ports[0 if subscribes else 1]}")
            renews = min(until, time.monotonic() + RENEW_S)
            while time.monotonic() < renews:
                if subscribes:
                    peer.setsockopt(zmq.SUBSCRIBE, os.urandom(46))
                elif peer.poll(10, zmq.POLLOUT):
                    with suppress(zmq.Again):  # the connection has ended in the meantime
                        peer.send(message, zmq.NOBLOCK)
                done += 1
            peer.close(linger=0)
    return done


ATTACKS: Final[dict[str, Callable[[list[int], float, CurveClient], int]]] = {
    attack.__name__: attack
    for attack in (
        junk, half_open, endless_parts, endless_commands, plain_subscriptions, strangers,
        admitted_peer,
    )
}  # fmt: skip


class Viewer:
    """An authorised viewer in a thread, which counts the frames it receives."""

    def __init__(self, address: str, keys: CurveClient) -> None:
        self.frames = 0
        self.stop = threading.Event()
        self._address, self._keys = address, keys
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with Subscriber(
            self._address, curves=[self._keys], live=False, stopped=self.stop.is_set
        ) as subscriber:
            for _ in subscriber:
                self.frames += 1

    def close(self) -> None:
        """Stop and wait for the thread."""
        self.stop.set()
        self._thread.join()


@contextmanager
def sender(folder: Path, address: str) -> Iterator[psutil.Process]:
    """Run a sender with keys in a separate process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rankcast_sender", "--bind", address, "--source", SOURCE,
         "--codec", "jpeg", "--key", str(folder / "cam.key"),
         "--authorized", str(folder / "authorized")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


class Watch:
    """Samples the memory of a process."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process

    def for_s(self, seconds: float, until: Callable[[], bool] = lambda: False) -> list[float]:
        """Sample resident megabytes every 0.1 s, for `seconds` or until `until()` is true."""
        samples, end = [], time.monotonic() + seconds
        while time.monotonic() < end and not until():
            samples.append(self._process.memory_info().rss / 1e6)
            time.sleep(0.1)  # the sampling interval
        return samples


def measure(name: str, seconds: float, folder: Path, ports: list[int], viewers: list[Viewer],
            process: psutil.Process) -> dict[str, Any]:  # fmt: skip
    """Measure memory before and during one attack, and the frames of each viewer during it."""
    watch = Watch(process)
    before = statistics.median(watch.for_s(2.0))
    cpu_before = sum(process.cpu_times()[:2])
    counts, since = [viewer.frames for viewer in viewers], time.monotonic()
    attacker = subprocess.Popen(
        [sys.executable, __file__, "--attack", name, "--folder", str(folder), "--seconds",
         str(seconds), "--ports", *map(str, ports)], stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    during = watch.for_s(seconds + 30, lambda: attacker.poll() is not None)
    passed = time.monotonic() - since
    got = [viewer.frames - count for viewer, count in zip(viewers, counts, strict=True)]
    cpu = (sum(process.cpu_times()[:2]) - cpu_before) / passed
    during += watch.for_s(1.0)
    return {
        "done": int(attacker.communicate()[0] or 0),
        "seconds": round(passed, 2),
        "rss_before_mb": round(before, 1),
        "rss_growth_mb": round(max(during) - before, 1),
        "frames_kept": round(min(got) / (passed * FPS), 3),
        "sender_cores": round(cpu, 2),
        "descriptors": process.num_fds() if hasattr(process, "num_fds") else None,
    }


def free_ports() -> list[int]:
    """Return a free port whose control port is free too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            with suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + CONTROL_PORT_OFFSET))
                return [port, port + CONTROL_PORT_OFFSET]


def run(seconds: float, admitted_s: float) -> dict[str, dict[str, Any]]:
    """Run all attacks on one sender."""
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, server = new_key(folder, "cam")
        ports = free_ports()
        address = f"tcp://127.0.0.1:{ports[0]}"
        keys = []
        for number in range(VIEWERS):
            secret, public = new_key(folder, f"viewer{number}")
            authorize(public, folder / "authorized", Role.VIEWER)
            keys.append(client_keys(secret, [server])[0])
        authorize(new_key(folder, ADMITTED)[1], folder / "authorized", Role.VIEWER)
        warm()
        with sender(folder, address) as process:
            viewers = [Viewer(address, key) for key in keys]
            try:
                until = time.monotonic() + 60
                while min(viewer.frames for viewer in viewers) < 3 * FPS:
                    if time.monotonic() > until:
                        raise SystemExit("no frames came within a minute")
                    time.sleep(0.1)  # warm-up
                for attack in ATTACKS:
                    lasts_s = admitted_s if attack == admitted_peer.__name__ else seconds
                    results[attack] = measure(attack, lasts_s, folder, ports, viewers, process)
            finally:
                for viewer in viewers:
                    viewer.close()
    return results


def rows(results: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Return three figures of each attack."""
    found = []
    for attack, result in results.items():
        name = attack.replace("_", " ")
        admitted = attack == admitted_peer.__name__
        found += [
            Row(f"{name}: connections or bytes", result["done"], bar=at_least(1)),
            Row(f"{name}: growth of the sender", result["rss_growth_mb"], "MB",
                at_most(MAX_ADMITTED_GROWTH_MB if admitted else MAX_GROWTH_MB)),
            Row(f"{name}: share of frames that the viewers kept", result["frames_kept"],
                bar=at_least(MIN_FRAMES_KEPT)),
            Row(f"{name}: processor cores of the sender", result["sender_cores"]),
        ]  # fmt: skip
    return found


def main() -> int:
    """Run all attacks or, in the attacker's process, a single one."""
    parser = option_parser(__doc__)
    parser.add_argument("--attack", choices=list(ATTACKS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--ports", type=int, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attack:
        folder = options.folder
        keys = client_keys(folder / f"{ADMITTED}.key", [folder / "cam.pub"])[0]
        print(ATTACKS[options.attack](options.ports, options.seconds, keys))
        return 0
    seconds = 3.0 if options.quick else 8.0
    admitted_s = 20.0 if options.quick else 600.0
    say(f"{len(ATTACKS) - 1} attacks of {seconds:.0f} s, one of {admitted_s:.0f} s")
    record = Record(
        "flood",
        "Floods",
        f"A sender with keys, 640 x 360 at {FPS} fps with {VIEWERS} authorised viewers, attacked on"
        f" both ports for {seconds:.0f} s each way by a process without an authorised key, and for"
        f" {admitted_s:.0f} s by one with a key (`admitted peer`).",
        rounded(rows(run(seconds, admitted_s))),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
