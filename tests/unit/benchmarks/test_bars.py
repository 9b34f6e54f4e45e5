"""Long runs end with 1 when a bar is missed: what they are judged by."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

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


def quiet_soak(soak: ModuleType) -> dict[str, Any]:
    """The result of a run that nothing speaks against."""
    return {
        "minutes": 30.0,
        "exit_codes": (0, 0),
        "events": {"calm": 60, **dict.fromkeys(soak.FAULTS, 10)},
        "growth": {end: dict.fromkeys(soak.BARS, 0.0) for end in soak.JUDGED},
        **{end: {"published": 54_000, "balanced": True} for end in ("sent", "received", "viewer")},
    }


def test_a_soak_fails_for_each_of_its_reasons_alone(
    benchmark: Callable[[str], ModuleType],
) -> None:
    soak = benchmark("soak")
    assert soak.missed(quiet_soak(soak)) == []
    for what, value, said in (
        (("received", "published"), 53_999, "different numbers"),
        (("viewer", "balanced"), False, "viewer is not balanced"),
        (("growth", "sender", "memory_mb"), 4.1, "memory_mb of the sender grew by 4.1"),
        (("growth", "receiver", "descriptors"), 1.0, "descriptors of the receiver"),
        (("events", "reset"), 0, "no spell of reset"),
        (("exit_codes",), (0, -9), "exit codes"),
    ):
        result = quiet_soak(soak)
        inner = result
        for name in what[:-1]:
            inner = inner[name]
        inner[what[-1]] = value
        (line,) = soak.missed(result)
        assert said in line
    short = quiet_soak(soak) | {"minutes": 2.0}
    short["events"]["reset"] = 0
    assert soak.missed(short) == [], "a short run has not every kind"


def test_each_bar_of_a_flood_can_be_missed_and_an_attack_that_did_nothing_is_told(
    benchmark: Callable[[str], ModuleType],
) -> None:
    flood = benchmark("flood")
    row = {"done": 100, "rss_growth_mb": 16.0, "frames_kept": 0.95}
    assert flood.missed({"junk": row}) == []
    for change, said in (
        ({"done": 0}, "did nothing"),
        ({"rss_growth_mb": 16.1}, "grew by 16.1 MB"),
        ({"frames_kept": 0.949}, "0.949 of the frames"),
    ):
        (line,) = flood.missed({"raw": row, "junk": row | change})
        assert line.startswith("junk")
        assert said in line


def test_each_bar_of_the_stream_can_be_missed(benchmark: Callable[[str], ModuleType]) -> None:
    stream = benchmark("stream")
    delivered = stream.DELIVERED.format(600)
    within = {delivered: 600, **stream.MOST}
    assert stream.missed(within, 600) == []
    assert stream.missed(within | {delivered: 599}, 600) == [delivered]
    for name, most in stream.MOST.items():
        assert stream.missed(within | {name: most + 0.01}, 600) == [name]


def test_each_bar_of_isolation_can_be_missed(benchmark: Callable[[str], ModuleType]) -> None:
    isolation = benchmark("isolation")
    lost, late_ms, late_percent, memory = isolation.BARS
    assert isolation.missed(0, 5.0, 90.0, 12.0) == []
    assert isolation.missed(0, 50.0, 20.0, 12.0) == []
    assert isolation.missed(1, 0.0, 0.0, 0.0) == [lost]
    assert isolation.missed(0, 6.0, 21.0, 0.0) == [late_ms, late_percent]
    assert isolation.missed(0, 0.0, 0.0, 12.1) == [memory]
