"""Attack the sockets of a real sender and a real receiver: `make fuzz-zmtp CONNECTIONS=500000`.

Each connection follows a plan drawn from its seed: it breaks off, lies or floods at any byte of the
greeting, the handshake or the traffic, without keys or as a peer whose key is admitted. A run fails
if a process under attack dies, if a genuine peer no longer gets frames afterwards, if the process
grew by more than 100 MB, or if too few connections were admitted or came as far as their plan.

    python tests/fuzz/zmtp/run.py [--connections N] [--targets NAME ...] [--seed S] [--jobs J]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

REPOSITORY: Final = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY / "tests"))

from fuzz.zmtp.attack import Keys, strike  # noqa: E402 - needs the path above
from fuzz.zmtp.plan import Depth, draw  # noqa: E402
from rankcast.errors import NoStreamError  # noqa: E402
from rankcast.net import Role, authorize, client_keys, new_key, server_keys  # noqa: E402
from rankcast_receiver import Subscriber  # noqa: E402

BLOCK: Final = 250
"""Connections between two looks at the process."""
CONTROL: Final = 10
MAX_GROWTH_MB: Final = 100.0
MIN_SENT: Final = 0.3
"""Share of the plans that must have been carried out to the end; resets cut many short."""
MIN_ADMITTED: Final = 0.25
"""Share of the connections meant to send traffic that the other end must have admitted."""
WAIT_S: Final = 60.0
AGAIN_S: Final = 5.0
"""How long an address may be closed while it is bound again."""
RECEIVER_PORTS: Final = 4
SOURCE: Final = "synthetic:conveyor?width=160&height=120&fps=30"
FRAME_TOPICS: Final = (b"cam/frames\0", b"cam/status\0", b"", b"x/frames\0")
SUBSCRIPTIONS: Final = (b"\x01", b"\0", b"\x01cam/frames\0", b"\x01/viewer/cam/", b"\x02", b"")
REQUESTS: Final = (b"", b"\x84\xa2id\x01\xa2op\xa4ping", b"\x84\xa2id\x01\xa2op\xa6status", b"\xc1")
TARGETS: Final = (
    *(
        f"{process}-{socket_}{keys}"
        for process in ("sender", "receiver")
        for socket_ in ("frames", "control")
        for keys in ("", "-keyed")
    ),
    "sender-frames-limited",
)
"""The last one has a key that may see one camera: the socket is in manual mode."""


@dataclass(frozen=True)
class Target:
    """One kind of socket under attack."""

    process: str
    socket: str
    keys: Keys | None
    ports: tuple[int, ...]

    @property
    def serving(self) -> bool:
        """True if the attacker is the end that binds."""
        return self.process == "receiver"

    @property
    def expected_type(self) -> bytes:
        """Socket type that the process accepts."""
        if self.serving:
            return b"XPUB" if self.socket == "frames" else b"ROUTER"
        return b"SUB" if self.socket == "frames" else b"DEALER"

    @property
    def topics(self) -> tuple[bytes, ...]:
        """Beginnings of messages that the process understands."""
        if self.socket == "control":
            return REQUESTS
        return FRAME_TOPICS if self.serving else SUBSCRIPTIONS


@dataclass(frozen=True)
class Tally:
    """How far the connections of an attack came."""

    made: int = 0
    meant: int = 0
    """Those whose plan includes traffic, for which they must be admitted."""
    admitted: int = 0
    sent: int = 0
    """Those whose plan was carried out to the end."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.made + other.made,
            self.meant + other.meant,
            self.admitted + other.admitted,
            self.sent + other.sent,
        )

    @property
    def shortfall(self) -> str:
        """Why this attack proves too little; empty if it proves enough."""
        if not self.made:
            return "no connection was made"
        if self.admitted < MIN_ADMITTED * self.meant:
            return f"only {self.admitted} of {self.meant} connections were admitted"
        if self.sent < MIN_SENT * self.made:
            return f"only {self.sent} of {self.made} connections went as planned"
        return ""


def attack(target: Target, port: int, first_seed: int, count: int) -> Tally:
    """Make `count` connections; return how far they came."""
    tally = Tally()
    with ExitStack() as stack:
        listener = stack.enter_context(listening(port)) if target.serving else None
        for seed in range(first_seed, first_seed + count):
            plan = draw(seed, target.expected_type, target.topics)
            try:
                if listener is not None:
                    link, _ = listener.accept()
                else:
                    link = connected(port, address_of(seed))
            except (ConnectionRefusedError, TimeoutError):
                break
            except OSError:  # no more than this one: another one follows in its place
                continue
            with link:
                outcome = strike(link, plan, target.keys, serving=target.serving)
            meant = plan.depth is Depth.TRAFFIC
            tally += Tally(1, int(meant), int(outcome.admitted), int(outcome.sent))
    return tally


def connected(port: int, source: tuple[str, int]) -> socket.socket:
    """Return a new connection; a sender binds its control port again now and then."""
    until_s = time.monotonic() + AGAIN_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), WAIT_S, source)
        except ConnectionRefusedError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.05)  # as a client pauses


def address_of(seed: int) -> tuple[str, int]:
    """Return the loopback address that a connection comes from.

    A sender makes an address wait whose connections it has cut, which would slow the attack down to
    50 connections a second: only every 256th has the usual address, each other one its own. Other
    systems than Linux have no more addresses than that.
    """
    if seed % 256 == 0 or sys.platform != "linux":
        return "127.0.0.1", 0
    return f"127.{1 + seed // 65_536 % 250}.{seed // 256 % 256}.{seed % 256}", 0


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """Listen at a loopback port that a process connects to again and again."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        listener.settimeout(WAIT_S)
        yield listener


@contextmanager
def command(folder: Path, *arguments: str, module: tuple[str, ...] = ()) -> Iterator[psutil.Popen]:
    """Run one end in a process of its own."""
    with (folder / f"{arguments[0]}.log").open("w") as log:
        process = psutil.Popen(
            [sys.executable, *(module or ("-m", "rankcast", arguments[0])), *arguments[1:]],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(
                [str(REPOSITORY / name) for name in ("common", "sender", "receiver", "tests")])},
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@dataclass
class Station:
    """A genuine sender, and the keys of a viewer that it admits."""

    folder: Path
    process: psutil.Popen
    address: str
    keyed: bool

    def frames(self, wanted: int = 10) -> int:
        """Return the frames that a new genuine viewer gets, at most `wanted`."""
        curves = client_keys(self.folder / "viewer.key", [self.folder / "cam.pub"])
        got = 0
        with (
            Subscriber(
                self.address, timeout_s=WAIT_S, curves=curves if self.keyed else ()
            ) as subscriber,
            suppress(NoStreamError),
        ):
            for _ in subscriber:
                got += 1
                if got == wanted:
                    break
        return got


def make_keys(folder: Path, cameras: frozenset[str] | None = None) -> None:
    """Make the keys of a sender and of two viewers that it admits, one of them the attacker.

    Parameters
    ----------
    folder : Path
    cameras : frozenset of str, optional
        Those that the attacker may see; None is every camera.
    """
    new_key(folder, "cam")
    (folder / "authorized").mkdir(mode=0o700)
    for name in ("viewer", "attacker"):
        _, public = new_key(folder, name)
        seen = cameras if name == "attacker" else None
        authorize(public, folder / "authorized", Role.VIEWER, seen)


@contextmanager
def station(folder: Path, *, keyed: bool) -> Iterator[Station]:
    """Run a genuine sender."""
    port = free_ports(1)[0]
    options = ("--bind", f"tcp://127.0.0.1:{port}", "--source", SOURCE, "--codec", "jpeg")
    keys = ("--key", str(folder / "cam.key"), "--authorized", str(folder / "authorized"))
    module = (str(Path(__file__).parent / "hasty_sender.py"),)
    with command(folder, "send", *options, *(keys if keyed else ()), module=module) as process:
        yield Station(folder, process, f"tcp://127.0.0.1:{port}", keyed)


def free_ports(count: int) -> list[int]:
    """Return ports whose control ports, ten above, are free too."""
    found: list[int] = []
    with ExitStack() as stack:
        for first in range(20_000 + os.getpid() % 9000, 60_000, 2 * CONTROL + 1):
            try:
                for port in (first, first + CONTROL):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(first)
            if len(found) == count:
                return found
    raise OSError("no free ports")


def run_target(name: str, connections: int, seed: int, jobs: int) -> dict[str, Any]:
    """Attack one target; return the figures of its row."""
    process, socket_, *keys = name.split("-")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make_keys(folder, frozenset({"cam"}) if keys == ["limited"] else None)
        sender = stack.enter_context(station(folder, keyed=bool(keys)))
        failed = "" if sender.frames() else "no frame before the attack"
        offset = CONTROL if socket_ == "control" else 0
        victim, report, log = sender.process, None, "send.log"
        if process == "sender":
            ports = (int(sender.address.rpartition(":")[2]) + offset,)
            secret = client_keys(folder / "attacker.key", [folder / "cam.pub"])[0]
            admitted = Keys(secret.secret, secret.server_public)
        else:
            own = server_keys(folder / "cam.key")
            admitted = Keys(own.secret, own.public)
            frames_ports = free_ports(RECEIVER_PORTS)
            ports = tuple(port + offset for port in frames_ports)
            report, log = folder / "report.json", "receive.log"
            victim = stack.enter_context(receiver(folder, sender, frames_ports, report))
        target = Target(process, socket_, admitted if keys else None, ports)
        began_s, peak, tally = time.monotonic(), Peak(victim), Tally()
        with ProcessPoolExecutor(jobs) as pool:
            for of_block, failed_now in blocks(
                pool, target, connections, seed, peak, lambda: last_words(folder / log)
            ):
                tally += of_block
                failed = failed or failed_now
                if failed:
                    break
        failed = failed or verdict(sender, victim, report, peak) or tally.shortfall
        return {"target": name, "connections": tally.made, "admitted": tally.admitted,
                "as_planned": tally.sent, "failed": failed,
                "seconds": round(time.monotonic() - began_s, 1),
                "growth_mb": round(peak.growth_mb, 1)}  # fmt: skip


class Peak:
    """Growth of the memory of a process."""

    def __init__(self, process: psutil.Popen) -> None:
        self.process = process
        self._before = process.memory_info().rss
        self.growth_mb = 0.0

    def look(self) -> None:
        """Sample the memory."""
        self.growth_mb = max(self.growth_mb, (self.process.memory_info().rss - self._before) / 1e6)


def blocks(
    pool: Executor,
    target: Target,
    connections: int,
    seed: int,
    peak: Peak,
    last_words: Callable[[], str],
) -> Iterator[tuple[Tally, str]]:
    """Make the connections in blocks; yield the counts of each round and why to stop."""
    lanes, made = target.ports if target.serving else target.ports * 4, 0
    for first in itertools.count(0, BLOCK * len(lanes)):
        if made >= connections:
            return
        share = min(BLOCK, -(-(connections - made) // len(lanes)))
        running = [
            pool.submit(attack, target, port, seed + first + lane * BLOCK, share)
            for lane, port in enumerate(lanes)
        ]
        tally = sum((future.result() for future in running), Tally())
        made += tally.made
        code = peak.process.poll()
        if code is not None:
            seeds = f"{seed + first} to {seed + first + len(lanes) * BLOCK}"
            yield tally, f"the process ended with {code} after seeds {seeds}: {last_words()}"
            return
        peak.look()
        yield tally, "" if tally.made else "the process makes no connection any more"


@contextmanager
def receiver(
    folder: Path, sender: Station, ports: list[int], report: Path
) -> Iterator[psutil.Popen]:
    """Run a receiver of one genuine sender and of the attacker's ports."""
    addresses = [sender.address, *(f"tcp://127.0.0.1:{port}" for port in ports)]
    options = [word for address in addresses for word in ("--connect", address)]
    if sender.keyed:
        options += ["--key", str(folder / "viewer.key"), "--server-key", str(folder / "cam.pub")]
    module = (str(Path(__file__).parent / "hasty_receiver.py"),)
    with (
        ExitStack() as listeners,
        command(folder, "receive", *options, "--report", str(report), module=module) as process,
    ):
        # A receiver that connects has loaded its libraries: its memory is the baseline from here.
        waiting = [listeners.enter_context(listening(port)) for port in ports]
        for listener in waiting:
            listener.accept()[0].close()
        listeners.close()
        yield process


def last_words(log: Path) -> str:
    """Return the last lines that a process wrote: of a traceback, the place and the exception."""
    return " | ".join(line.strip() for line in log.read_text(errors="replace").splitlines()[-5:])


def verdict(sender: Station, victim: psutil.Popen, report: Path | None, peak: Peak) -> str:
    """Return why the process did not survive the attack whole; empty if it did."""
    if victim.poll() is not None:
        return f"the process ended with {victim.poll()}"
    if peak.growth_mb > MAX_GROWTH_MB:
        return f"the process grew by {peak.growth_mb:.0f} MB"
    if report is None:
        return "" if sender.frames() else "a genuine viewer gets no frames any more"
    victim.send_signal(signal.SIGTERM)
    code = victim.wait(WAIT_S)
    cameras = json.loads(report.read_text())["cameras"] if report.exists() else {}
    genuine = max((entry["received"] for entry in cameras.values()), default=0)
    if code or not genuine:
        return f"the receiver ended with {code} after {genuine} frames of the genuine sender"
    return ""


def main() -> int:
    """Run all targets and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=500_000, help="for each target")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=TARGETS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, help="write the rows as JSON")
    options = parser.parse_args()
    rows = []
    print(f"{'target':<24} {'connections':>11} {'admitted':>9} {'as planned':>10} {'MB':>6} "
          f"{'s':>7}  failed")  # fmt: skip
    for name in options.targets:
        row = run_target(name, options.connections, options.seed, options.jobs)
        rows.append(row)
        print(
            f"{name:<24} {row['connections']:>11,} {row['admitted']:>9,} {row['as_planned']:>10,} "
            f"{row['growth_mb']:>6} {row['seconds']:>7}  {row['failed']}", flush=True
        )  # fmt: skip
    if options.output:
        options.output.write_text(json.dumps(rows, indent=1))
    return int(any(row["failed"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
