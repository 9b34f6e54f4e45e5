"""LatestLatencies: the latency that a page shows, and none that is not known well enough."""

from __future__ import annotations

from rankcast_receiver.clock import MOST_ERROR_NS, LatestLatencies


def test_percentiles_are_those_of_the_latest_pictures() -> None:
    latest = LatestLatencies()
    assert latest.latency is None
    for milliseconds in range(1000):
        latest.add(milliseconds * 10**6, 0)
    latency = latest.latency
    assert latency is not None
    assert (latency.p50, latency.p99) == (850, 997)
    latest.clear()
    assert latest.latency is None


def test_a_latency_whose_error_is_too_large_is_unknown() -> None:
    latest = LatestLatencies()
    latest.add(10**7, MOST_ERROR_NS + 1)
    assert latest.latency is None
