"""A live viewer of all cameras of a sender."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from rankcast.runtime import Balance
from rankcast_receiver import Subscriber
from rankcast_receiver.state import CameraState, State

WAIT_S = 30.0


class Everything:
    """A live viewer of all cameras, in a thread."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._states: dict[str, State] = {}
        self.frames = 0
        self.balances: list[Balance] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with Subscriber(self._address, stopped=self._stop.is_set, on_state=self._note) as viewer:
            for _ in viewer:
                with self._changed:
                    self.frames += 1
                    self._changed.notify_all()
            self.balances = [stream.ledger.balance() for stream in viewer.streams.values()]

    def _note(self, states: Sequence[CameraState]) -> None:
        with self._changed:
            self._states = {state.camera: state.state for state in states if state.camera}
            self._changed.notify_all()

    def wait_states(self, count: int, right: Callable[[State], bool]) -> float:
        """Wait until so many states are right; return how long that took."""
        began_s = time.monotonic()
        with self._changed:
            assert self._changed.wait_for(
                lambda: sum(map(right, self._states.values())) == count, WAIT_S
            ), Counter(self._states.values())
        return time.monotonic() - began_s

    def wait_frames(self, count: int) -> None:
        """Wait until so many frames have come, or no more do."""
        with self._changed:
            while self.frames < count and self._changed.wait(2.0):
                continue

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
