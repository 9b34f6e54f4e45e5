"""A camera in a thread, whose packets a NATS server keeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rankcast.frame import Pixels
from rankcast.nats import KeepOptions, NatsOptions
from rankcast_sender import Publisher
from rankcast_sender.outlets import open_outlet
from rankcast_sender.sender_sockets import SenderOptions
from support.moving_scene import scene

WAIT_S = 30.0
FRAME_S = 0.04
KEPT = KeepOptions(age_s=600.0, max_bytes=100_000_000)


class KeptCamera:
    """Sends pictures of a moving scene at 25 a second; `sent` holds the sequence of each."""

    def __init__(self, publisher: Publisher, picture: Callable[[int], Pixels]) -> None:
        self.publisher = publisher
        self.sent: list[int] = []
        self.longest_s = 0.0
        self._picture = picture
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def kept(self) -> bool:
        return self.publisher.camera.kept

    def wait_kept(self) -> None:
        wait(lambda: self.kept, "a stream that keeps the camera")

    def wait_sent(self, count: int) -> None:
        """Wait for so many more frames."""
        wanted = len(self.sent) + count
        wait(lambda: len(self.sent) >= wanted, "frames")

    def finish(self) -> None:
        """Stop taking pictures; what was sent stays."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        number = 0
        while True:
            pixels = self._picture(number % 50)
            began_s = time.monotonic()
            sequence = self.publisher.send(pixels, {"number": number})
            self.longest_s = max(self.longest_s, time.monotonic() - began_s)
            if sequence is not None:
                self.sent.append(sequence)
                number += 1
            if self._stop.wait(FRAME_S):
                return

    def __enter__(self) -> KeptCamera:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()


@contextmanager
def keeping(
    address: str,
    keep: KeepOptions = KEPT,
    name: str = "cam",
    codec: str = "svd-patch",
    picture: Callable[[int], Pixels] = scene,
    nats: NatsOptions = NatsOptions(),  # noqa: B008 - frozen
) -> Iterator[KeptCamera]:
    outlet = open_outlet(SenderOptions(bind=address, keep=keep, nats=nats))
    try:
        with Publisher(name=name, codec=codec, outlet=outlet) as publisher:
            outlet.start()
            with KeptCamera(publisher, picture) as camera:
                yield camera
    finally:
        outlet.close()


def wait(right: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
    until_s = time.monotonic() + timeout_s
    while not right():
        assert time.monotonic() < until_s, what
        time.sleep(0.02)  # the state of another thread has no event
