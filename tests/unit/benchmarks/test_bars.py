"""Long runs end with 1 when a bar is missed: what they are judged by."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield import_module
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


def test_one_descriptor_more_at_the_end_of_a_soak_is_growth(
    benchmark: Callable[[str], ModuleType],
) -> None:
    soak = benchmark("soak")
    samples = [
        # Some reconnect at any time, which is none.
        soak.Sample(at, 80.0 + at / 600, 9, 20 + 3 * (at % 10 == 0) + (at > 1500))
        for at in range(1800)
    ]
    found = {what: soak.growth(samples, what) for what in soak.BARS}
    assert found == {"memory_mb": pytest.approx(1.5, abs=0.01), "threads": 0, "descriptors": 1}
    assert [what for what, bar in soak.BARS.items() if found[what] > bar] == ["descriptors"]


def test_each_bar_of_isolation_can_be_missed(benchmark: Callable[[str], ModuleType]) -> None:
    isolation = benchmark("isolation")
    lost, late_ms, late_percent, memory = isolation.BARS
    assert isolation.missed(0, 5.0, 90.0, 12.0) == []
    assert isolation.missed(0, 50.0, 20.0, 12.0) == []
    assert isolation.missed(1, 0.0, 0.0, 0.0) == [lost]
    assert isolation.missed(0, 6.0, 21.0, 0.0) == [late_ms, late_percent]
    assert isolation.missed(0, 0.0, 0.0, 12.1) == [memory]
