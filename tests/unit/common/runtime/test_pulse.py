"""Pulse: silence counts at work alone."""

from __future__ import annotations

import time

import pytest

from rankcast.runtime import Pulse


def in_a_minute() -> float:
    return time.monotonic() + 60


def test_a_thread_that_has_not_begun_or_has_ended_is_not_silent() -> None:
    pulse = Pulse("grab")
    assert pulse.silent_s(in_a_minute()) == 0
    pulse.beat()
    assert pulse.silent_s(in_a_minute()) == pytest.approx(60, abs=5)
    pulse.rest()
    assert pulse.silent_s(in_a_minute()) == 0


def test_a_wait_is_no_silence_and_the_work_after_it_is() -> None:
    pulse = Pulse("grab")
    pulse.beat()
    with pulse.resting():
        assert pulse.silent_s(in_a_minute()) == 0
    assert pulse.silent_s(in_a_minute()) == pytest.approx(60, abs=5)


def test_a_thread_that_may_take_long_by_design_is_silent_only_after_that() -> None:
    pulse = Pulse("grab of cam")
    assert pulse.silent_s(time.monotonic() + 100) == 0.0, "it has not begun"
    pulse.beat()
    now_s = time.monotonic()
    assert 2.9 < pulse.silent_s(now_s + 3.0) <= 3.1
    pulse.allowance_s = 4.0  # one frame every four seconds
    assert pulse.silent_s(now_s + 3.9) == 0.0
    assert 1.9 < pulse.silent_s(now_s + 6.0) <= 2.1
    pulse.rest()
    assert pulse.silent_s(now_s + 100.0) == 0.0
