"""Counts up to a bound: Buckets exactly, Histogram within its resolution."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.numerics import Buckets, Histogram

BOUNDS = (1, 2.5, 10)


@given(st.lists(st.floats(0, 100)))
def test_buckets_count_what_is_at_most_each_bound(values: list[float]) -> None:
    buckets = Buckets(BOUNDS)
    for value in values:
        buckets.add(value)
    assert buckets.up_to() == [
        *(sum(value <= bound for value in values) for bound in BOUNDS), len(values),
    ]  # fmt: skip
    assert buckets.sum == pytest.approx(sum(values))


@given(st.lists(st.floats(0, 1e6)), st.lists(st.floats(0.1, 1e5), min_size=1, max_size=20))
def test_a_histogram_counts_up_to_any_bound_within_its_resolution(
    values: list[float], bounds: list[float]
) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    *counts, total = histogram.up_to(sorted(bounds))
    assert total == len(values)
    assert counts == sorted(counts)
    for bound, count in zip(sorted(bounds), counts, strict=True):
        assert sum(value < bound / 1.012 for value in values) <= count
        assert count <= sum(value <= bound * 1.012 for value in values)
    assert histogram.sum_ms == pytest.approx(sum(values))


def test_a_clock_that_steps_back_takes_nothing_from_the_sum() -> None:
    histogram = Histogram()
    for value in (5.0, -3.0):
        histogram.add(value)
    assert (histogram.sum_ms, histogram.up_to([1.0, 10.0])) == (5.0, [1, 2, 2])
