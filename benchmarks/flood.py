"""Impact of hostile peers on a sender with keys: memory, and frames lost by its viewers.

    python benchmarks/flood.py [--quick] [--output FILE.json]

A real sender streams to two viewers over loopback, while a separate process attacks both of its
ports in several ways, one after the other. With keys, this process first has none that is
authorised, then one of its own: it floods the ports with subscriptions, requests and pings, and
then stays just below all limits. Without keys, it floods them over one connection after another and
over many, or lets connections come and go while others hold many topics. The last five last ten
minutes each.
Memory is the peak resident size during the attack over the median before it; frames are those that
the viewers received, as a share of those produced meanwhile. Only what was sent over an established
connection counts, and an attack that achieved too little proves nothing and fails.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
from command_line import finish, option_parser, say
from flood_attacks import (
    CONNECTIONS_PER_S,
    CROWD,
    admitted_peer,
    crowd,
    endless_commands,
    endless_parts,
    half_open,
    junk,
    leavers,
    open_peer,
    plain_subscriptions,
    polite_peer,
    strangers,
)
from record import Record, Row, at_least, at_most, rounded

from rankcast.net import (
    CONTROL_PORT_OFFSET,
    CurveClient,
    Role,
    authorize,
    client_keys,
    new_key,
)
from rankcast_receiver import Subscriber

FPS: Final = 30
SOURCE: Final = f"synthetic:conveyor?width=640&height=360&fps={FPS}"
VIEWERS: Final = 2
MAX_GROWTH_MB: Final = 16.0
MAX_ADMITTED_GROWTH_MB: Final = 200.0
ADMITTED: Final = "mallory"
"""Name of the key of the peer that is admitted."""
MIN_FRAMES_KEPT: Final = 0.95


@dataclass(frozen=True, slots=True)
class Attack:
    """One way to attack a sender."""

    run: Callable[[list[int], float, CurveClient | None], int]
    least_s: float
    """Connections, messages or bytes a second without which it proves nothing."""
    keys: bool = True
    """Whether the sender has keys."""
    admitted: bool = False
    """Whether the peer may connect: then it lasts longer, and may cost more memory."""

    @property
    def name(self) -> str:
        """Name in the record."""
        return self.run.__name__


ATTACKS: Final[Mapping[str, Attack]] = {
    attack.name: attack
    for attack in (
        Attack(junk, CONNECTIONS_PER_S / 2),
        Attack(half_open, CONNECTIONS_PER_S / 2),
        Attack(endless_parts, 1e4),
        Attack(endless_commands, 1e4),
        Attack(plain_subscriptions, 1e4),
        Attack(strangers, CONNECTIONS_PER_S / 4),
        # Its key is refused after each burst: four bursts in ten minutes.
        Attack(admitted_peer, 1, admitted=True),
        Attack(polite_peer, 500, admitted=True),
        # Before the others, for which its address has to wait.
        Attack(leavers, 0.2, keys=False, admitted=True),
        Attack(open_peer, 1000, keys=False, admitted=True),
        Attack(crowd, 500, keys=False, admitted=True),
    )
}


class Viewer:
    """A viewer in a thread, which counts the frames it receives; with a key if the sender has."""

    def __init__(self, address: str, keys: CurveClient | None) -> None:
        self.frames = 0
        self.stop = threading.Event()
        self._address, self._keys = address, keys
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with Subscriber(
            self._address,
            curves=[self._keys] if self._keys else [],
            live=False,
            stopped=self.stop.is_set,
        ) as subscriber:
            for _ in subscriber:
                self.frames += 1

    def close(self) -> None:
        """Stop and wait for the thread."""
        self.stop.set()
        self._thread.join()


@contextmanager
def sender(folder: Path, address: str, *, keys: bool) -> Iterator[psutil.Process]:
    """Run a sender in a separate process."""
    security = ["--key", str(folder / "cam.key"), "--authorized", str(folder / "authorized")]
    process = subprocess.Popen(
        [sys.executable, "-m", "rankcast_sender", "--bind", address, "--source", SOURCE,
         "--codec", "jpeg", "--no-announce", *(security if keys else [])],
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
        "lasts_s": seconds,
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
    """Run all attacks, on a sender with keys and on one without."""
    return run_on(seconds, admitted_s, keys=True) | run_on(seconds, admitted_s, keys=False)


def run_on(seconds: float, admitted_s: float, *, keys: bool) -> dict[str, dict[str, Any]]:
    """Run the attacks that a sender with or without keys is for."""
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, server = new_key(folder, "cam")
        ports = free_ports()
        address = f"tcp://127.0.0.1:{ports[0]}"
        curves: list[CurveClient | None] = []
        for number in range(VIEWERS):
            secret, public = new_key(folder, f"viewer{number}")
            authorize(public, folder / "authorized", Role.VIEWER)
            curves.append(client_keys(secret, [server])[0] if keys else None)
        authorize(new_key(folder, ADMITTED)[1], folder / "authorized", Role.VIEWER)
        with sender(folder, address, keys=keys) as process:
            viewers = [Viewer(address, curve) for curve in curves]
            try:
                until = time.monotonic() + 60
                while min(viewer.frames for viewer in viewers) < 3 * FPS:
                    if time.monotonic() > until:
                        raise SystemExit("no frames came within a minute")
                    time.sleep(0.1)  # warm-up
                for attack in ATTACKS.values():
                    if attack.keys is not keys:
                        continue
                    if attack.run is polite_peer:
                        wait_admitted(folder)
                    lasts_s = admitted_s if attack.admitted else seconds
                    results[attack.name] = measure(
                        attack.name, lasts_s, folder, ports, viewers, process
                    )
            finally:
                for viewer in viewers:
                    viewer.close()
    return results


def wait_admitted(folder: Path) -> None:
    """Give the admitted peer a new key, because its old one is refused for a while."""
    (folder / "authorized" / f"{ADMITTED}.pub").unlink()
    for suffix in (".key", ".pub"):
        (folder / f"{ADMITTED}{suffix}").unlink()
    authorize(new_key(folder, ADMITTED)[1], folder / "authorized", Role.VIEWER)
    time.sleep(5.0)  # the sender rereads its keys every second, and its viewers come back


def rows(results: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Return four figures of each attack."""
    found = []
    for name, result in results.items():
        attack = ATTACKS[name]
        title = name.replace("_", " ")
        limit_mb = MAX_ADMITTED_GROWTH_MB if attack.admitted else MAX_GROWTH_MB
        found += [
            Row(f"{title}: connections, messages or bytes a second",
                result["done"] / result["lasts_s"], bar=at_least(attack.least_s)),
            Row(f"{title}: growth of the sender", result["rss_growth_mb"], "MB",
                at_most(limit_mb)),
            Row(f"{title}: share of frames that the viewers kept", result["frames_kept"],
                bar=at_least(MIN_FRAMES_KEPT)),
            Row(f"{title}: processor cores of the sender", result["sender_cores"]),
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
        attack = ATTACKS[options.attack]
        keys = client_keys(folder / f"{ADMITTED}.key", [folder / "cam.pub"])[0]
        print(attack.run(options.ports, options.seconds, keys if attack.keys else None))
        return 0
    seconds = 3.0 if options.quick else 8.0
    admitted_s = 20.0 if options.quick else 600.0
    longer = sum(attack.admitted for attack in ATTACKS.values())
    say(f"{len(ATTACKS) - longer} attacks of {seconds:.0f} s, {longer} of {admitted_s:.0f} s")
    record = Record(
        "flood",
        "Floods",
        f"A sender with keys, 640 x 360 at {FPS} fps with {VIEWERS} authorised viewers, attacked on"
        f" both ports for {seconds:.0f} s each way by a process without an authorised key, and for"
        f" {admitted_s:.0f} s by one with a key, which floods (`admitted peer`) or stays below all"
        f" limits (`polite peer`). Then the same without keys, by one that comes back from another"
        f" address (`open peer`) and over {CROWD} connections to each port (`crowd`), and with"
        f" connections that come and go while others hold many topics (`leavers`).",
        rounded(rows(run(seconds, admitted_s))),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
