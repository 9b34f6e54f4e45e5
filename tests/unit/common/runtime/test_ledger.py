"""Ledger and histogram: nothing is lost without a cause, and percentiles hold."""

from __future__ import annotations

import numpy as np
import pytest

from rankcast.numerics import Histogram
from rankcast.runtime import ENCODE, MAILBOX, Ledger, Worker, losses_text


def test_what_neither_passed_nor_was_lost_is_under_way() -> None:
    ledger = Ledger()
    ledger.enter(10)
    ledger.passed(6)
    ledger.lose(MAILBOX, 3)
    assert ledger.balance().under_way == 1
    ledger.lose(ENCODE)
    balance = ledger.balance()
    assert balance.under_way == 0
    assert balance.lost == {MAILBOX: 3, ENCODE: 1}


def test_losing_nothing_leaves_no_cause_behind() -> None:
    ledger = Ledger()
    ledger.lose(MAILBOX, 0)
    assert ledger.balance().lost == {}


def test_threads_do_not_lose_counts() -> None:
    ledger = Ledger()

    def count() -> None:
        for _ in range(5000):
            ledger.enter()
            ledger.passed()

    workers = [Worker(f"count-{i}", count) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    balance = ledger.balance()
    assert balance.entered == balance.passed == 20_000


def test_percentiles_are_within_the_bin_width() -> None:
    rng = np.random.default_rng(3)
    durations = rng.lognormal(3, 1, 5000)
    histogram = Histogram()
    for duration in durations:
        histogram.add(float(duration))
    for percent in (1, 50, 99):
        assert histogram.percentile_ms(percent) == pytest.approx(
            np.percentile(durations, percent), rel=0.03
        )
    assert histogram.max_ms == durations.max()


def test_an_empty_histogram_knows_nothing() -> None:
    histogram = Histogram()
    assert histogram.percentile_ms(50) is None
    assert histogram.max_ms is None


def test_durations_from_stepped_clocks_are_counted_not_refused() -> None:
    histogram = Histogram()
    for duration_ms in (-5.0, 0.0, 1e12):
        histogram.add(duration_ms)
    assert histogram.percentile_ms(1) is not None
    assert histogram.max_ms == 1e12


def test_losses_are_listed_by_cause_or_named_none() -> None:
    assert losses_text({"mailbox": 3, "encode": 1}) == "1 encode, 3 mailbox"
    assert losses_text({}) == "none"
