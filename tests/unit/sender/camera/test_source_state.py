"""SourceState: stalls are judged by the pace that a source announces, or else by its own."""

from __future__ import annotations

import pytest

from rankcast_sender.camera import SourceState
from rankcast_sender.camera.source_state import STALLED_INTERVALS, STALLED_S, WAITING_S
from rankcast_sender.sources import Adjustments
from support.clock import Clock
from support.fakecamera import AdjustableSource
from support.fakes import FakeSource


def source(frame_interval_s: float | None) -> FakeSource:
    return FakeSource([], fps=None, frame_interval_s=frame_interval_s)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(clock: Clock) -> SourceState:
    return SourceState(now_s=clock)


def stalls_after_s(state: SourceState, clock: Clock) -> float:
    """Seconds from now until the state says so, to a tenth."""
    began_s = clock()
    while state.word == "live":
        clock.advance(0.1)
        assert clock() - began_s < 1000, "it never stalls"
    assert state.word == "stalled"
    return clock() - began_s


@pytest.mark.parametrize("interval_s", [1 / 1000, 1 / 30, 0.5, 0.8])
def test_a_fast_source_that_stops_is_noticed_after_two_seconds(
    state: SourceState, clock: Clock, interval_s: float
) -> None:
    state.opened(source(interval_s), announces=True)
    state.frame_grabbed()
    assert stalls_after_s(state, clock) == pytest.approx(STALLED_S, abs=0.11)


@pytest.mark.parametrize("interval_s", [1.0, 4.0, 60.0])
def test_a_slow_source_is_live_between_two_frames_also_when_one_is_late(
    state: SourceState, clock: Clock, interval_s: float
) -> None:
    state.opened(source(interval_s), announces=True)
    for _ in range(3):
        clock.advance(2 * interval_s)
        assert state.word == "live"
        state.frame_grabbed()
    limit_s = STALLED_INTERVALS * interval_s
    assert stalls_after_s(state, clock) == pytest.approx(limit_s, abs=0.11)
    state.frame_grabbed()
    assert state.word == "live"


def test_without_an_announced_pace_the_median_of_the_last_intervals_counts(
    state: SourceState, clock: Clock
) -> None:
    state.opened(source(None), announces=True)
    assert state.frame_interval_s == 0.0
    for interval_s in (0.0, 4.0, 4.1, 90.0, 3.9, 4.0):
        clock.advance(interval_s)
        state.frame_grabbed()
    assert state.frame_interval_s == pytest.approx(4.0)
    assert stalls_after_s(state, clock) == pytest.approx(10.0, abs=0.11)


def test_a_pace_that_viewers_set_is_measured_and_not_what_the_files_state(
    state: SourceState, clock: Clock
) -> None:
    state.opened(source(1 / 30), announces=False)
    for _ in range(3):
        clock.advance(5.0)
        state.frame_grabbed()
    assert state.frame_interval_s == pytest.approx(5.0)


def test_a_source_that_announces_another_pace_while_it_runs_is_followed(
    state: SourceState, clock: Clock
) -> None:
    changing = source(1 / 30)
    state.opened(changing, announces=True)
    changing.frame_interval_s = 8.0
    clock.advance(19.0)
    assert state.word == "live"
    assert state.frame_interval_s == 8.0


def test_a_camera_that_waits_for_its_trigger_is_not_stalled(
    state: SourceState, clock: Clock
) -> None:
    state.opened(AdjustableSource(Adjustments({"trigger": "on"})), announces=True)
    assert state.word == "live"
    clock.advance(WAITING_S + 0.1)
    assert state.word == "waiting", "before a viewer takes its picture for stale"
    clock.advance(100.0)
    assert state.word == "waiting"


def test_a_camera_that_repeats_a_frame_is_frozen_while_frames_arrive(
    state: SourceState, clock: Clock
) -> None:
    class Frozen(FakeSource):
        replaced, frozen = 0, True

        def open(self) -> None:
            """It is open."""

    camera = Frozen([], fps=None, frame_interval_s=0.1)
    state.opened(camera, announces=True)
    state.frame_grabbed()
    assert state.word == "frozen"
    clock.advance(10.0)
    assert state.word == "stalled"
    state.frame_grabbed()
    camera.frozen = False
    assert state.word == "live"


def test_frames_of_a_program_never_stall_but_their_pace_is_measured(
    state: SourceState, clock: Clock
) -> None:
    state.frame_grabbed()
    clock.advance(7.0)
    state.frame_grabbed()
    clock.advance(1000.0)
    assert state.word == "live"
    assert state.frame_interval_s == pytest.approx(7.0)


def test_failures_and_reopening_are_told_in_one_word_each(state: SourceState, clock: Clock) -> None:
    state.opening()
    assert state.word == "opening"
    state.failed(retry=True)
    clock.advance(100.0)
    assert state.word == "backoff"
    state.opened(source(1 / 30), announces=True)
    assert state.word == "live"
    state.closed()
    state.failed(retry=False)
    assert state.word == "failed"
    assert state.adjustments is None
