"""Many cameras in one sender, all frames at the same moment: losses, states and age.

    python benchmarks/cameras.py [--quick] [--output FILE.json]

A real sender publishes N synchronous cameras of 4 kB a frame over loopback. One viewer joins while
the cameras are idle, which tells how long it takes to hear of every camera; then all of them send
at once, as behind a common trigger.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from typing import Any, Final

import numpy as np
from command_line import finish, option_parser, say
from flood import free_ports
from record import Record, Row, at_most, exactly, rounded

from rankcast_receiver import Subscriber
from rankcast_receiver.state import CameraState, State
from rankcast_sender import Publisher
from rankcast_sender.sender_sockets import SenderOptions, SenderSockets

SECONDS: Final = {8: 30.0, 16: 30.0, 32: 30.0, 64: 600.0}
"""Length of the run by the number of cameras."""
QUICK_S: Final = 3.0
FPS: Final = 10
SIDE: Final = 64
"""Pixels; the codec raw sends 64 x 64 of them as 4 kB."""
MAX_STATES_S: Final = 2.0
START_S: Final = 60.0
UNHEARD: Final = (State.CONNECTING, State.OPENING, State.SENDER_DEAD, State.NETWORK_DEAD)


def serve(address: str, count: int, seconds: float) -> None:
    """Publish `count` cameras; their frames begin with a line on stdin, and end with the time."""
    image = np.zeros((SIDE, SIDE), np.uint8)
    barrier = threading.Barrier(count)

    def send(publisher: Publisher) -> None:
        started = time.monotonic()
        for number in range(round(seconds * FPS)):
            time.sleep(max(0.0, started + number / FPS - time.monotonic()))  # the common trigger
            barrier.wait()
            publisher.send(image)

    sockets = SenderSockets(SenderOptions(bind=address))
    with ExitStack() as stack:
        stack.callback(sockets.close)
        publishers = [
            stack.enter_context(Publisher(name=f"c{n:02d}", codec="raw", outlet=sockets))
            for n in range(count)
        ]
        sockets.start()
        print("ready", flush=True)
        sys.stdin.readline()
        threads = [threading.Thread(target=send, args=(one,)) for one in publishers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sys.stdin.readline()


class Viewer:
    """One live viewer of all cameras, in a thread."""

    def __init__(self, address: str) -> None:
        self.ages_ms: list[float] = []
        self.since = time.monotonic()
        self._states: dict[str, State] = {}
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._address = address
        self.balances: list[Any] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with Subscriber(
            self._address, stopped=self._stop.is_set, on_state=self._note
        ) as subscriber:
            for frame in subscriber:
                self.ages_ms.append((time.monotonic_ns() - frame.t_capture_mono_ns) / 1e6)
            self.balances = [s.ledger.balance() for s in subscriber.streams.values()]

    def _note(self, states: tuple[CameraState, ...]) -> None:
        with self._changed:
            self._states = {state.camera: state.state for state in states if state.camera}
            self._changed.notify_all()

    def wait_states(self, count: int, *, live: bool) -> float:
        """Wait until the states of `count` cameras are known, or live; return the seconds."""
        began = time.monotonic()

        def right() -> bool:
            states = self._states.values()
            good = [s for s in states if (s is State.LIVE if live else s not in UNHEARD)]
            return len(good) == count

        with self._changed:
            self._changed.wait_for(right, START_S)
        return time.monotonic() - began

    def close(self) -> None:
        """Stop and wait for the thread."""
        self._stop.set()
        self._thread.join()


def measure(count: int, seconds: float) -> dict[str, Any]:
    """Measure one number of cameras."""
    address = f"tcp://127.0.0.1:{free_ports()[0]}"
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(count), "--address", address, "--seconds",
         str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    with process, ExitStack() as stack:
        stack.callback(process.terminate)
        process.stdout.readline()
        viewer = Viewer(address)
        stack.callback(viewer.close)
        known_s = viewer.wait_states(count, live=False)
        process.stdin.write("\n")
        process.stdin.flush()
        live_s = viewer.wait_states(count, live=True)
        time.sleep(seconds)  # the measurement
        viewer.close()
        process.stdin.write("\n")
        process.stdin.flush()
    lost: Counter[str] = Counter()
    for balance in viewer.balances:
        lost.update(balance.lost)
    return {
        "cameras": count,
        "published": sum(balance.entered for balance in viewer.balances),
        "network": lost["network_gap"],
        "other": sum(lost.values()) - lost["network_gap"],
        "known_s": known_s,
        "live_s": live_s,
        "age_p99_ms": float(np.percentile(viewer.ages_ms or [np.inf], 99)),
    }


def rows(results: list[dict[str, Any]]) -> list[Row]:
    """Return the figures of each number of cameras."""
    found = []
    for result in results:
        name = f"{result['cameras']} cameras"
        found += [
            Row(f"{name}: published frames", result["published"]),
            Row(f"{name}: lost by the network", result["network"], bar=exactly(0)),
            Row(f"{name}: skipped by the viewer", result["other"]),
            Row(f"{name}: until all states are known, idle", result["known_s"], "s",
                at_most(MAX_STATES_S)),
            Row(f"{name}: until all states are live", result["live_s"], "s",
                at_most(MAX_STATES_S)),
            Row(f"{name}: age of a frame, 99th percentile", result["age_p99_ms"], "ms"),
        ]  # fmt: skip
    return found


def main() -> int:
    """Measure all numbers of cameras or, in the sender's process, publish."""
    parser = option_parser(__doc__)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.address, options.serve, options.seconds)
        return 0
    results = []
    for count, full_s in SECONDS.items():
        seconds = QUICK_S if options.quick else full_s
        say(f"{count} cameras for {seconds:.0f} s")
        results.append(measure(count, seconds))
    record = Record(
        "cameras",
        "Many cameras in one sender",
        f"Synchronous cameras of 4 kB a frame at {FPS} fps over loopback, one live viewer of all of"
        " them: 30 s of 8, 16 and 32 cameras, ten minutes of 64.",
        rounded(rows(results)),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
