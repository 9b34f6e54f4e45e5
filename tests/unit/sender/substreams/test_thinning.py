"""Frames that a lower rate leaves out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast_sender.substreams import Thinning


def kept(thinning: Thinning, times_s: list[float]) -> list[int]:
    return [n for n, time_s in enumerate(times_s) if thinning.takes(round(time_s * 1e9))]


@pytest.mark.parametrize(
    ("fps", "expected"),
    [(0.0, list(range(12))), (15.0, [0, 2, 4, 6, 8, 10]), (10.0, [0, 3, 6, 9]),
     (30.0, list(range(12))), (100.0, list(range(12)))],
)  # fmt: skip
def test_frames_are_left_out_evenly(fps: float, expected: list[int]) -> None:
    assert kept(Thinning(fps), [n / 30 for n in range(12)]) == expected


def test_two_of_three_frames_are_kept() -> None:
    numbers = kept(Thinning(20.0), [n / 30 for n in range(300)])
    assert len(numbers) == pytest.approx(200, abs=1)
    assert {b - a for a, b in pairwise(numbers)} == {1, 2}


@given(st.lists(st.floats(-0.4, 0.4), min_size=200, max_size=200))
def test_jitter_changes_neither_rate_nor_order(jitter: list[float]) -> None:
    numbers = kept(Thinning(15.0), [1 + (n + shift) / 30 for n, shift in enumerate(jitter)])
    assert len(numbers) == pytest.approx(100, abs=2)
    assert max(b - a for a, b in pairwise(numbers)) <= 4


def test_after_a_pause_of_the_camera_no_burst_follows() -> None:
    times_s = [n / 30 for n in range(30)] + [20 + n / 30 for n in range(30)]
    after = [n for n in kept(Thinning(10.0), times_s) if n >= 30]
    assert after == list(range(30, 60, 3))


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    assert (
        len(kept(Thinning(10.0), [100 + n / 10 for n in range(5)] + [n / 10 for n in range(5)]))
        == 10
    )
