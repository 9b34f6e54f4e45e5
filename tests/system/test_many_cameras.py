"""Many cameras in one sender: none displaces the frames or the state of another."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from rankcast.runtime import Balance
from rankcast_receiver import Subscriber
from rankcast_receiver.state import CameraState, State
from support.cameras import FPS, cameras
from support.fakes import free_address
from support.processes import rankcast_environment

WAIT_S = 30.0
STATES_S = 2.0
UNHEARD = (State.CONNECTING, State.OPENING, State.SENDER_DEAD, State.NETWORK_DEAD)


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


@pytest.mark.parametrize(
    ("count", "rounds"),
    [(16, 3 * FPS), pytest.param(64, 20 * FPS, marks=pytest.mark.slow)],
)
def test_synchronous_cameras_lose_nothing_in_the_network_and_all_their_states_are_right(
    figure: Callable[[str], None], count: int, rounds: int
) -> None:
    address = free_address()
    with cameras(address, count, rounds, **rankcast_environment()) as sender:
        viewer = Everything(address)
        try:
            known_s = viewer.wait_states(count, lambda state: state not in UNHEARD)
            sender.say()
            live_s = viewer.wait_states(count, lambda state: state is State.LIVE)
            viewer.wait_frames(count * rounds)
        finally:
            viewer.close()
    lost: Counter[str] = Counter()
    for balance in viewer.balances:
        lost.update(balance.lost)
    figure(f"{count} cameras known after {known_s:.2f} s, live after {live_s:.2f} s, "
           f"lost {dict(lost)}")  # fmt: skip
    assert lost["network_gap"] == 0
    assert viewer.frames + sum(lost.values()) == count * rounds
    assert known_s < STATES_S
    assert live_s < STATES_S
