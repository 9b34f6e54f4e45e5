"""What a hundred viewers and more cost a sender and a relay, and what a hop between sites adds.

    python benchmarks/scale.py [--quick] [--output FILE.json]

A recording of 1280 x 720 at 10 fps is replayed, so that nothing is encoded, to viewers that count
packets and decode none: all at the sender, then all at a relay. Then a message as large as a frame
goes from a site through a hub to another site, through three NATS servers on loopback. At last the
requests of 500 viewers at a server go to one sender.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import psutil
from command_line import finish, option_parser, say
from nats_processes import PROGRAM, free_ports, servers
from processes import child, free_address, sender
from record import Record, Row, exactly, rounded
from recorded_clip import record_clip
from relay import cpu_s, relay, tried, viewers

from rankcast.boot_clock import boot_ns
from rankcast.nats import NatsAddress, NatsOptions
from rankcast.nats.client import request_once
from rankcast.wire import Request, pack_request

FPS: Final = 10
FRAMES: Final = 60
COUNTS: Final = (1, 100, 400)
MANY: Final = ("--set", "limits.max_connections=1000")
"""All viewers of this benchmark come from one address."""
FRAME_BYTES: Final = 15_000
ASKING: Final = (10, 500)
"""Viewers whose requests a sender at a server answers."""
TINY: Final = "synthetic:conveyor?width=160&height=120&fps=1"
REQUESTS: Final = ("--set", "limits.max_requests_s=10000")
WARM_S: Final = 3
START_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Load:
    """What viewers cost one process."""

    share: float
    """Of a core."""
    memory_mb: float
    descriptors: int
    worst: float
    """Frames of the viewer that got least, over those of the one that got most."""
    unserved: int
    """Viewers that got nothing."""


def load(folder: Path, count: int, seconds: float, *, relayed: bool) -> Load:
    """Measure the relay, or the sender, that `count` viewers connect to."""
    address, to = free_address(), free_address()
    source = f"replay:{folder / 'clip.mcap'}?loop=true"
    with ExitStack() as stack:
        process = stack.enter_context(child(*sender(address, source, *MANY)))
        if relayed:
            process = stack.enter_context(child(*relay(address, to, *MANY)))
        watched, reached = psutil.Process(process.pid), to if relayed else address
        viewers(2.0, count, reached)  # until all is loaded
        before_s, began_s, descriptors = cpu_s(watched), time.monotonic(), 0
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(viewers, seconds, count, reached)
            while not running.done():
                descriptors = max(descriptors, watched.num_fds())
                time.sleep(0.5)
        counts = running.result()["counts"]
        share = (cpu_s(watched) - before_s) / (time.monotonic() - began_s)
        return Load(share, watched.memory_info().rss / 1e6, descriptors,
                    min(counts) / max(counts), sum(not n for n in counts))  # fmt: skip


def rows_of(where: str, loads: dict[int, Load]) -> list[Row]:
    """Return what one viewer costs, and what each further one."""
    one = loads[1]
    rows = [
        Row(f"{where}, one viewer: processor time", 100 * one.share, "% of a core"),
        Row(f"{where}, one viewer: memory", one.memory_mb, "MB"),
    ]
    for count, many in loads.items():
        if count == 1:
            continue
        more, name = count - 1, f"{where}, {count} viewers"
        rows += [
            Row(f"{name}: processor time", 100 * many.share, "% of a core"),
            Row(f"{name}: processor time of each further one",
                100 * (many.share - one.share) / more, "% of a core"),
            Row(f"{name}: memory of each further one",
                (many.memory_mb - one.memory_mb) / more, "MB"),
            Row(f"{name}: file descriptors of each further one",
                (many.descriptors - one.descriptors) / more),
            Row(f"{name}: frames of the one that got least", 100 * many.worst,
                "% of the most"),
            Row(f"{name}: those that got nothing", many.unserved, bar=exactly(0)),
        ]  # fmt: skip
    return rows


def hop_ms(folder: Path, seconds: float) -> list[float]:
    """Return how much later each message reached the other site than a viewer of its own."""
    if PROGRAM is None:
        raise SystemExit("nats-server is not installed: apt-get install nats-server")
    hub, leaves, berlin, lyon = free_ports(4)
    remote = f'leafnodes {{ remotes: [ {{ url: "nats-leaf://127.0.0.1:{leaves}" }} ] }}'
    configs = {
        hub: f"leafnodes {{ listen: 127.0.0.1:{leaves} }}", berlin: remote, lyon: remote
    }  # fmt: skip
    with ExitStack() as stack:
        for port, text in configs.items():
            path = folder / f"{port}.conf"
            path.write_text(f"listen: 127.0.0.1:{port}\n{text}\n")
            process = subprocess.Popen([PROGRAM, "-c", str(path)], stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
        sites = [Site(stack, port) for port in (berlin, lyon)]
        source = stack.enter_context(connected(berlin))
        number, ends_s = 0, time.monotonic() + START_S + seconds
        while len(sites[1].arrived) < seconds * FPS:
            if time.monotonic() > ends_s:
                raise SystemExit("the servers of the sites do not reach each other")
            data = number.to_bytes(8, "big") + bytes(FRAME_BYTES - 8)
            source.sendall(b"PUB frames %d\r\n%b\r\n" % (FRAME_BYTES, data))
            number += 1
            time.sleep(1 / FPS)
    near, far = (site.arrived for site in sites)
    return [1e3 * (at_s - near[n]) for n, at_s in far.items() if n in near]


def requests_load(folder: Path, count: int, seconds: float) -> tuple[float, int]:
    """Return the share of a core of a sender at a server, and how many viewers it counts.

    Each viewer sends what a receiver sends, three times a second in all: that it watches, a ping
    for the clock, a report of its losses. Frames are too few to matter.
    """
    tokens = [os.urandom(16) for _ in range(count)]
    report = {"delivered": 9, "lost": 0, "network_lost": 0, "late_ms": 1.0, "latency_p99_ms": 9.0}
    with servers(folder) as one, connected(one.ports[0]) as clients, ExitStack() as stack:
        station = stack.enter_context(
            child(*sender(one.address(), TINY, "--name", "cam", *REQUESTS),
                  log=folder / "sender.log")
        )  # fmt: skip
        watched = psutil.Process(station.pid)
        reader = threading.Thread(target=_take_all, args=(clients,))
        reader.start()
        stack.callback(reader.join)
        stack.callback(clients.shutdown, socket.SHUT_RDWR)
        spent_s = began_s = 0.0
        for second in range(round(WARM_S + seconds)):
            if second == WARM_S:
                spent_s, began_s = cpu_s(watched), time.monotonic()
            due_s = time.monotonic()
            for number, token in enumerate(tokens):
                requests = {"watch": {"token": token}, "ping": {"t0": boot_ns()}, "report": report}
                for op, args in requests.items():
                    data = pack_request(Request(second, op, "cam", args))
                    head = f"PUB rankcast.default.cam.control _INBOX.v{number}.{op} {len(data)}"
                    clients.sendall(head.encode() + b"\r\n" + data + b"\r\n")
                due_s += 1 / count
                time.sleep(max(0.0, due_s - time.monotonic()))
        share = (cpu_s(watched) - spent_s) / (time.monotonic() - began_s)
        done = request_once(NatsAddress.of(one.address()), NatsOptions(), ("default", "cam"),
                            "status", timeout_s=10.0)  # fmt: skip
        return share, int(done.result["viewers"])  # type: ignore[arg-type]


def _take_all(connection: socket.socket) -> None:
    connection.sendall(b"SUB _INBOX.> 1\r\n")
    while data := connection.recv(1 << 20):
        if b"PING\r\n" in data:
            connection.sendall(b"PONG\r\n")


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """Connect to a server as a client, once it listens."""
    until_s = time.monotonic() + START_S
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), 1.0)
            break
        except OSError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.05)
    with connection:
        connection.settimeout(None)
        connection.sendall(b'CONNECT {"verbose": false}\r\n')
        yield connection


class Site:
    """A viewer of one server, in a thread, which notes when each message came."""

    def __init__(self, stack: ExitStack, port: int) -> None:
        self.arrived: dict[int, float] = {}
        self._connection = stack.enter_context(connected(port))
        self._connection.sendall(b"SUB frames 1\r\n")
        thread = threading.Thread(target=self._run)
        thread.start()
        stack.callback(thread.join)
        stack.callback(self._connection.shutdown, socket.SHUT_RDWR)

    def _run(self) -> None:
        with self._connection.makefile("rb") as lines:
            for line in lines:
                if line.startswith(b"PING"):
                    self._connection.sendall(b"PONG\r\n")
                elif line.startswith(b"MSG"):
                    data = lines.read(FRAME_BYTES + 2)
                    self.arrived[int.from_bytes(data[:8], "big")] = time.monotonic()


def main() -> int:
    """Measure sender, relay and hop, and write the record."""
    options = option_parser(__doc__).parse_args()
    seconds = 4.0 if options.quick else 10.0
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record_clip(folder / "clip.mcap", FPS, FRAMES)
        for where, relayed in (("sender", False), ("relay", True)):
            loads = {}
            for count in COUNTS:
                measure = partial(load, folder, count, seconds, relayed=relayed)
                loads[count] = tried(measure)
                say(f"{where}, {count} viewers: {loads[count]}")
            rows += rows_of(where, loads)
        later = sorted(hop_ms(folder, seconds))
        asked = {count: requests_load(folder, count, seconds) for count in ASKING}
        say(f"requests at a server: {asked}")
    (few, _), (many, counted) = asked.values()
    rows += [
        Row("NATS, site to hub to site: later than at its own site, median",
            statistics.median(later), "ms"),
        Row("NATS, site to hub to site: later than at its own site, 99th percentile",
            later[round(0.99 * (len(later) - 1))], "ms"),
        Row("NATS, sender: processor time for the requests of each further viewer",
            100 * (many - few) / (max(ASKING) - min(ASKING)), "% of a core"),
        Row(f"NATS, sender: of {max(ASKING)} viewers, those not counted", max(ASKING) - counted,
            bar=exactly(0)),
    ]  # fmt: skip
    record = Record(
        "scale",
        "Many viewers, and a hop between sites",
        f"A recording of 1280 x 720 at {FPS} fps with svd-patch, replayed to viewers that decode"
        f" nothing, for {seconds:.0f} s each; all processes share the processors. Between sites"
        f" goes a message of {FRAME_BYTES / 1000:.0f} kB, through two leaf nodes and a hub on"
        " loopback. Viewers at a server send three requests a second each, to a sender of one"
        " frame a second.",
        rounded(rows),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
