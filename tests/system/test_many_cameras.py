"""Many cameras in one sender: none displaces the frames or the state of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from rankcast_receiver.state import State
from support.cameras import FPS, cameras
from support.everything import Everything
from support.fakes import free_address
from support.processes import rankcast_environment

STATES_S = 2.0
UNHEARD = (State.CONNECTING, State.OPENING, State.SENDER_DEAD, State.NETWORK_DEAD)


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
