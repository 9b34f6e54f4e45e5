"""A process that publishes many synchronous cameras. Its arguments are ADDRESS, COUNT and ROUNDS.

It writes `ready` once it listens; a line of input starts the frames, another one ends it.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

FPS = 10
SIDE = 64
"""Pixels: 4 kB a frame."""


class Cameras:
    """The process, from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def say(self) -> None:
        """Start the frames, then end the process."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()


@contextmanager
def cameras(address: str, count: int, rounds: int, **environment: str) -> Iterator[Cameras]:
    """Publish `count` cameras in another process."""
    with subprocess.Popen(
        [sys.executable, __file__, address, str(count), str(rounds)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield Cameras(process)
        finally:
            process.kill()


def publish(address: str, count: int, rounds: int) -> None:
    """Publish; all cameras send at the same moment."""
    import numpy as np

    from rankcast_sender import Publisher
    from rankcast_sender.sender_sockets import SenderOptions, SenderSockets

    image = np.zeros((SIDE, SIDE), np.uint8)
    together = threading.Barrier(count)

    def send(publisher: Publisher) -> None:
        started = time.monotonic()
        for number in range(rounds):
            time.sleep(max(0.0, started + number / FPS - time.monotonic()))  # their trigger
            together.wait()
            publisher.send(image)

    sockets = SenderSockets(SenderOptions(bind=address))
    with ExitStack() as stack:
        stack.callback(sockets.close)
        publishers = [
            stack.enter_context(Publisher(name=f"c{number:02d}", codec="raw", outlet=sockets))
            for number in range(count)
        ]
        sockets.start()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        threads = [threading.Thread(target=send, args=(one,)) for one in publishers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sys.stdin.readline()


if __name__ == "__main__":
    publish(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
