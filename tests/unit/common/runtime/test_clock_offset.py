"""The offset of a remote clock: never further from the truth than its error bar."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankcast.runtime import ClockOffset
from rankcast.runtime.clock_offset import DRIFT_PPM, WINDOW_NS

MS = 1_000_000
SECOND = 1000 * MS

ways = st.integers(0, 200 * MS)
pings = st.lists(st.tuples(ways, ways, st.integers(0, 50 * MS)), min_size=1, max_size=40)


class Remote:
    """A clock that is `offset` ahead of ours and drifts."""

    def __init__(self, offset_ns: int, drift_ppm: float = 0.0) -> None:
        self.offset_ns = offset_ns
        self.drift_ppm = drift_ppm

    def at(self, t_ns: int) -> int:
        return t_ns + self.offset_ns + int(t_ns * self.drift_ppm / 1e6)


def ping(estimate: ClockOffset, remote: Remote, t0: int, way: int, back: int, held: int = 0) -> int:
    """One ping; returns when the reply came."""
    t1 = t0 + way
    t2 = t1 + held
    t3 = t2 + back
    assert estimate.add(t0, remote.at(t1), remote.at(t2), t3)
    return t3


@pytest.mark.slow
@settings(max_examples=500)
@given(
    pings,
    st.integers(-(10**15), 10**15),
    st.floats(-DRIFT_PPM, DRIFT_PPM).filter(lambda ppm: abs(ppm) < DRIFT_PPM * 0.99),
)
def test_the_truth_is_never_outside_of_the_error_bar(
    delays: list[tuple[int, int, int]], offset_ns: int, drift_ppm: float
) -> None:
    estimate, remote, now = ClockOffset(), Remote(offset_ns, drift_ppm), 0
    for way, back, held in delays:
        now = ping(estimate, remote, now, way, back, held) + SECOND
        found = estimate.at(now)
        assert found is not None
        truth = remote.at(now) - now
        assert abs(found.offset_ns - truth) <= found.error_ns + 1
    assert estimate.steps == 0, "what agrees is no step"


@given(pings, st.integers(-(10**15), 10**15))
def test_the_error_is_at_most_half_of_the_shortest_round_trip_and_the_drift(
    delays: list[tuple[int, int, int]], offset_ns: int
) -> None:
    estimate, remote, now = ClockOffset(), Remote(offset_ns), 0
    for way, back, held in delays:
        now = ping(estimate, remote, now, way, back, held)
        found = estimate.at(now)
        assert found is not None
        drift = (way + held + back) * DRIFT_PPM / 1e6
        assert found.error_ns <= (way + back) / 2 + drift + 3, "the newest would be as good"
    kept = delays[-16:]
    shortest = min(way + back for way, back, _ in kept)
    assert found.error_ns <= shortest / 2 + 3 + now * DRIFT_PPM / 1e6


@given(st.integers(-(10**15), 10**15), st.integers(1, 10**12), st.booleans())
def test_a_stepped_clock_resets_the_estimate(offset_ns: int, step_ns: int, back: bool) -> None:
    estimate, remote, now = ClockOffset(), Remote(offset_ns), 0
    for _ in range(5):
        now = ping(estimate, remote, now, 2 * MS, 1 * MS) + SECOND
    before = estimate.at(now)
    assert before is not None
    remote.offset_ns += -step_ns if back else step_ns
    now = ping(estimate, remote, now, 2 * MS, 1 * MS)
    found = estimate.at(now)
    assert found is not None
    # Larger than both error bars and what the way had of asymmetry, or it cannot be told.
    if step_ns > 2 * (before.error_ns + 2 * MS):
        assert estimate.steps == 1
    if estimate.steps:
        assert abs(found.offset_ns - remote.offset_ns) <= found.error_ns


def test_one_slow_ping_does_not_spoil_many_quick_ones() -> None:
    estimate, remote, now = ClockOffset(), Remote(123 * SECOND), 0
    for _ in range(3):
        now = ping(estimate, remote, now, MS // 5, MS // 5) + SECOND
    now = ping(estimate, remote, now, 300 * MS, 0)
    found = estimate.at(now)
    assert found is not None
    assert found.error_ns < MS
    assert abs(found.offset_ns - 123 * SECOND) < MS


def test_what_is_older_than_the_window_is_forgotten() -> None:
    estimate = ClockOffset()
    now = ping(estimate, Remote(5), 0, MS, MS)
    assert estimate.at(now + WINDOW_NS) is not None
    assert estimate.at(now + WINDOW_NS + 1) is None


def test_times_that_contradict_each_other_teach_nothing() -> None:
    estimate = ClockOffset()
    assert not estimate.add(10, 0, 0, 5), "the reply came before the question"
    assert not estimate.add(0, 50, 40, 100), "answered before it arrived"
    assert not estimate.add(0, 0, 200, 100), "held for longer than it was away"
    assert estimate.at(100) is None
    estimate.add(0, 7, 7, 2)
    estimate.clear()
    assert estimate.at(2) is None
