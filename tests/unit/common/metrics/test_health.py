"""Health: which threads are stuck, by the pulses that the watchdog judges."""

from __future__ import annotations

import time

import pytest

from rankcast.metrics import Health
from rankcast.metrics.health import STALLED_S
from rankcast.runtime import Pulse
from support.clock import Clock


@pytest.mark.parametrize(("watchdog_s", "limit_s"), [(0.0, STALLED_S), (6.0, 3.0)])
def test_a_thread_is_stuck_once_it_has_made_no_progress_for_too_long(
    watchdog_s: float, limit_s: float
) -> None:
    clock = Clock(time.monotonic())
    busy, resting = Pulse("encode of cam"), Pulse("grab of cam")
    health = Health(lambda: [busy, resting], dict, bool, watchdog_s, now_s=clock)
    assert health.stalls_s() == {"encode of cam": 0.0, "grab of cam": 0.0}
    busy.beat()
    clock.now_s = time.monotonic() + limit_s - 0.5
    assert health.stuck_s() == {}
    clock.advance(1.0)
    assert health.stuck_s() == {"encode of cam": pytest.approx(limit_s + 0.5, abs=0.2)}
    busy.beat()
    clock.now_s = time.monotonic()
    assert health.stuck_s() == {}


def test_threads_that_come_and_go_are_judged_as_they_are() -> None:
    pulses: list[Pulse] = []
    health = Health(lambda: pulses, dict, bool)
    assert health.stalls_s() == {}
    pulses.append(Pulse("sink save"))
    assert health.stalls_s() == {"sink save": 0.0}
