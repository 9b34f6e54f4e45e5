"""Figures in the documents are those that the benchmarks wrote, and nobody typed them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BENCHMARKS = REPOSITORY / "benchmarks"
SHARED = {
    "codec_clips", "codec_detail", "codec_lossless", "codec_peers", "codec_pictures", "codec_rate",
    "codec_stills", "command_line", "ffmpeg_coder", "flood_attacks", "method_pictures",
    "nats_processes", "paced_device", "processes", "record", "recorded_clip", "relay_viewers",
    "report", "web_page_client",
}  # fmt: skip
"""Modules that are not benchmarks themselves."""


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield import_module("report")
    for name in ("report", "record"):
        sys.modules.pop(name, None)


def test_the_document_of_figures_is_what_the_report_makes_of_the_results(
    report: ModuleType,
) -> None:
    expected = report.document(report.read_records())
    assert report.DOCUMENT.read_text("utf-8") == expected, "run make bench-report"


def test_the_figures_of_the_readme_are_those_of_the_results(report: ModuleType) -> None:
    text = report.README.read_text("utf-8")
    assert report.has_figures(text)
    assert report.readme(text, report.read_records()) == text, "run make bench-report"


def test_every_result_is_that_of_a_benchmark(report: ModuleType) -> None:
    records = report.read_records()
    for record in records:
        script = BENCHMARKS / f"{record.name.replace('-', '_')}.py"
        assert script.exists(), record.name
        assert (BENCHMARKS / "results" / f"{record.name}.json").exists()
        whats = [row.what for row in record.rows]
        assert len(set(whats)) == len(whats), f"{record.name} names two rows alike"
        assert record.commit
        assert record.processor
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", record.date)


def test_every_benchmark_has_a_place_in_the_document_and_a_line_in_the_readme_of_benchmarks(
    report: ModuleType,
) -> None:
    scripts = {path.stem for path in BENCHMARKS.glob("*.py")} - SHARED
    assert {name.replace("-", "_") for name in report.ORDER} == scripts
    text = (BENCHMARKS / "README.md").read_text("utf-8")
    rows = set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE))
    assert rows == set(report.ORDER)
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    listed = re.search(r"^BENCHMARKS := ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    assert listed is not None
    # Half an hour, and a clip to train on: these two are run on their own.
    assert set(listed[1].replace("\\\n", " ").split()) == set(report.ORDER) - {"soak", "gan"}
