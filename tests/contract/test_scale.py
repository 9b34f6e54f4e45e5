"""Figures in docs/scale.md are those of the benchmarks, and what it computes follows from them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TEXT = (REPOSITORY / "docs" / "scale.md").read_text(encoding="utf-8")
FPS, MEASURED_FPS = 20, 10
REQUESTS_S, REQUESTS_NATS_S = 2, 3
HALF_A_CORE = 50.0
LINKS_MBIT_S = (1e3 * 2 / 3, 1e4 * 2 / 3)


@cache
def rows(benchmark: str) -> dict[str, dict[str, Any]]:
    path = REPOSITORY / "benchmarks" / "results" / f"{benchmark}.json"
    return {row["what"]: row for row in json.loads(path.read_text())["rows"]}


def value(benchmark: str, what: str) -> float:
    row = rows(benchmark)[what]
    return float(row["ratio"] if row["value"] is None else row["value"])


def quoted() -> list[tuple[str, str, str]]:
    """Row, figure and benchmark of each line of the table of what was measured."""
    return re.findall(r"^\| (.*) \| ([\d.,]+)\b.* \| `bench-([a-z-]+)` \|$", TEXT, re.MULTILINE)


def costs() -> tuple[float, float, float]:
    """Mbit/s, and percent of a core, of a viewer behind a relay; of its requests at NATS."""
    rate = value("sizing", "svd-patch quality=75, 1280 x 720: a viewer at 20 fps")
    frames = value("scale", "relay, 400 viewers: processor time of each further one")
    asked = value("scale", "NATS, sender: processor time for the requests of each further viewer")
    core = frames * FPS / MEASURED_FPS + REQUESTS_S * asked / REQUESTS_NATS_S
    return rate, core, asked


def test_every_benchmark_that_the_page_rests_on_is_quoted() -> None:
    assert {benchmark for _, _, benchmark in quoted()} >= {
        "sizing", "relay", "scale", "substream", "rank-cut", "nats-streams", "web-clients",
        "following", "isolation",
    }  # fmt: skip
    table = TEXT.partition("## Measured")[2].partition("## Sizing")[0]
    assert len(quoted()) == table.count("\n| ") - 1, "a line that this test does not understand"


@pytest.mark.parametrize(("what", "figure", "benchmark"), quoted())
def test_a_measured_figure_is_that_of_the_benchmark(what: str, figure: str, benchmark: str) -> None:
    measured = value(benchmark, what)
    # Three digits at least, as benchmarks.md has them.
    assert float(figure) == pytest.approx(measured, rel=0.005, abs=0.0006)


def test_figures_in_the_text_are_those_of_the_benchmarks() -> None:
    frame_kb = value("sizing", "svd-patch quality=75, 1280 x 720: a frame")
    rate, core, asked = costs()
    frames = value("scale", "relay, 400 viewers: processor time of each further one")
    memory = value("scale", "relay, one viewer: memory")
    each = value("scale", "relay, 400 viewers: memory of each further one")
    hop = value("relay", "a frame comes later through a relay, median")
    gap = value("nats-streams", "one of three servers killed: longest gap of a live viewer")
    for pattern, wanted in (
        (r"viewers x ([\d.]+) kB a frame", frame_kb),
        (r"20 fps x ([\d.]+) % / 10 fps", frames),
        (r"\+ 2 x ([\d.]+) % / 3", asked),
        (r"memory +=  ?([\d.]+) MB", memory),
        (r"viewers x ([\d.]+) MB", each),
        (r"\*(\d+) viewers\*: 667", LINKS_MBIT_S[0] / rate),
        (r"\*(\d+) viewers\*: 6667", LINKS_MBIT_S[1] / rate),
        (r"\*(\d+) viewers\*: 50 % / 0.1", HALF_A_CORE / core),
        (r"\*(\d+) viewers\*: 50 % / 0.0", HALF_A_CORE / asked),
        (r"A hop adds ([\d.]+) ms", hop),
        (r"two hops ([\d.]+) ms", 2 * hop),
        (r"gap of ([\d.]+) s", gap),
    ):
        found = re.findall(pattern, TEXT)
        assert len(found) == 1, pattern
        assert float(found[0]) == pytest.approx(wanted, rel=0.01), pattern


def sizing() -> Iterator[list[float]]:
    for line in re.findall(r"^\| (1[0,]*) \| (.*) \|$", TEXT, re.MULTILINE):
        cells = (line[0], *line[1].split(" | "))
        yield [float(re.findall(r"[\d.,]+", cell)[0].replace(",", "")) for cell in cells]


def test_the_table_of_sizes_follows_from_its_formulas() -> None:
    rate, core, _ = costs()
    memory = value("scale", "relay, one viewer: memory")
    each = value("scale", "relay, 400 viewers: memory of each further one")
    lines = list(sizing())
    assert [line[0] for line in lines] == [10, 100, 1000, 10_000]
    for viewers, link, share, megabytes, descriptors, *relays in lines:
        assert link == pytest.approx(viewers * rate, abs=0.51)
        assert share == pytest.approx(viewers * core, abs=0.51)
        assert megabytes == pytest.approx(memory + viewers * each, abs=0.51)
        assert descriptors == 2 * viewers
        assert relays == [
            ceil(max(viewers * rate / width, viewers * core / HALF_A_CORE))
            for width in LINKS_MBIT_S
        ]


def test_prose_fits_100_columns() -> None:
    lines = [line for line in TEXT.splitlines() if not line.startswith("|")]
    assert [line for line in lines if len(line) > 100] == []
