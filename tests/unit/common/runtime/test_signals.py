"""Signals that stop a command, while it loads and while it runs."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from rankcast.runtime.signals import (
    JOIN_S,
    SHORTEST_JOIN_S,
    STOP_SIGNALS,
    StopFlag,
    hold_signals,
    release_signals,
    stop_flag,
)


@pytest.fixture
def held() -> Iterator[StopFlag]:
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield hold_signals()
    release_signals()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_a_signal_while_the_command_loads_leaves_its_threads_their_whole_time(
    held: StopFlag,
) -> None:
    held.request(signal.SIGTERM)
    held.counted_s = time.monotonic() - 60.0  # a slow disk, a busy machine
    assert held.left_s(5.0) == SHORTEST_JOIN_S
    with stop_flag() as flag:
        assert flag is held
        assert flag.requested
        assert JOIN_S - 1.0 < flag.left_s(5.0) <= JOIN_S


def test_a_command_that_no_signal_stops_gives_its_threads_what_it_wants(held: StopFlag) -> None:
    with stop_flag() as flag:
        assert flag is held
        assert flag.left_s(5.0) == 5.0
        flag.request(signal.SIGINT)
        assert flag.left_s(5.0) <= JOIN_S
        assert flag.left_s(0.5) == 0.5
