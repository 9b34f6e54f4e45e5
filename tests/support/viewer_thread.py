"""A viewer in a thread, and the longest time that it had no frame."""

from __future__ import annotations

import threading
import time

from rankcast.nats import NatsOptions
from rankcast_receiver import Subscriber


class ViewerThread:
    """Receives in a thread, and notes the longest time without a frame."""

    def __init__(self, address: str, *, live: bool = True, nats: NatsOptions | None = None) -> None:
        self._stop = threading.Event()
        self.subscriber = Subscriber(address, live=live, stopped=self._stop.is_set, nats=nats)
        self.newest = -1
        self.longest_s = 0.0
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        before_s = None
        for frame in self.subscriber:
            now_s = time.monotonic()
            if before_s is not None:
                self.longest_s = max(self.longest_s, now_s - before_s)
            before_s, self.newest = now_s, frame.sequence

    def __enter__(self) -> ViewerThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.balance = self.subscriber.balance()
        self.subscriber.close()
