"""Frames play when they are due, without a rush after a stall; retries are spread at random."""

from __future__ import annotations

import pytest

from rankcast_sender.pacing import (
    BACKOFF_FIRST_S,
    BACKOFF_MAX_S,
    MAX_BEHIND_INTERVALS,
    FrameClock,
    backoff_s,
)
from support.clock import Clock


def test_frames_are_one_interval_apart_whatever_the_time_between_the_calls() -> None:
    now = Clock()
    clock, played_s = FrameClock(0.5, now_s=now), []
    began_s = now()
    for busy_s in (0.0, 0.3, 0.1, 0.45, 0.0):
        now.advance(busy_s)
        now.advance(clock.wait_s())
        played_s.append(now() - began_s)
    assert played_s == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0])


def test_frames_with_times_of_their_own_play_at_those() -> None:
    now = Clock()
    clock, played_s = FrameClock(0.04, now_s=now), []
    began_s = now()
    for due_s in (0.0, 0.04, 2.0, 2.01, 9.0):
        now.advance(clock.wait_s(due_s))
        played_s.append(now() - began_s)
    assert played_s == pytest.approx([0.0, 0.04, 2.0, 2.01, 9.0])


def test_a_short_delay_is_caught_up_and_a_long_one_is_not() -> None:
    now = Clock()
    clock = FrameClock(1.0, now_s=now)
    assert clock.wait_s() == 0.0
    now.advance(MAX_BEHIND_INTERVALS)
    assert [clock.wait_s() for _ in range(2)] == [0.0, 0.0], "behind, but on the old schedule"
    now.advance(MAX_BEHIND_INTERVALS + 20.0)
    assert clock.wait_s() == 0.0
    assert clock.wait_s() == pytest.approx(1.0), "on a new schedule"


def test_a_retry_may_come_at_any_time_up_to_a_limit_that_doubles_to_its_cap() -> None:
    limits = [backoff_s(tries, lambda least, most: most + 1000 * least) for tries in range(40)]
    assert limits[:4] == [BACKOFF_FIRST_S * factor for factor in (1, 2, 4, 8)]
    assert limits[-1] == BACKOFF_MAX_S
    assert limits == sorted(limits)


def test_retries_of_cameras_that_failed_together_are_spread() -> None:
    waits = [backoff_s(10) for _ in range(200)]
    assert 0 <= min(waits) < 0.1 * BACKOFF_MAX_S
    assert 0.9 * BACKOFF_MAX_S < max(waits) <= BACKOFF_MAX_S
