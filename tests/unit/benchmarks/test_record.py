"""Records of benchmarks: JSON and back, bars, and the document that is made of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Benchmark = Callable[[str], ModuleType]


def test_a_record_survives_its_json(benchmark: Benchmark) -> None:
    record = benchmark("record")
    rows = (
        record.Row("median", 19.5, "ms", record.at_most(25)),
        record.Row("bytes", peer="JPEG", ratio=0.54, bar=record.at_most(0.75)),
        record.Row("frames", 600, bar=record.exactly(600)),
    )
    one = record.Record("latency", "Latency", "One run.", rows, quick=True).here_and_now()
    text = one.to_json()
    assert record.Record.from_json(text) == one
    document = json.loads(text)
    assert document["command"] == "make bench-latency QUICK=1"
    assert [row["bar"] for row in document["rows"]] == ["<= 25", "<= 0.75", "== 600"]
    assert all(document[key] for key in ("commit", "processor", "date"))


def test_the_command_of_a_record_names_what_it_was_measured_on(benchmark: Benchmark) -> None:
    record = benchmark("record")
    one = record.Record("codec", "Bytes", "", (), data="real pictures and clips")
    assert one.command == "make bench-codec DATA=DIR"


@pytest.mark.parametrize(
    ("bar", "inside", "outside"), [("<= 2", 2.0, 2.01), (">= 2", 2.0, 1.99), ("== 2", 2.0, 1.0)]
)
def test_a_bar_judges_the_value_or_else_the_ratio(
    benchmark: Benchmark, bar: str, inside: float, outside: float
) -> None:
    record = benchmark("record")
    limit = record.Bar.parse(bar)
    assert str(limit) == bar
    assert not record.Row("x", inside, bar=limit, ratio=outside).missed
    assert record.Row("x", outside, bar=limit, ratio=inside).missed
    assert record.Row("x", bar=limit, ratio=outside).missed
    assert not record.Row("x", bar=limit).missed, "not measured"


def test_a_bar_that_is_not_one_is_refused(benchmark: Benchmark) -> None:
    with pytest.raises(ValueError, match="must be"):
        benchmark("record").Bar.parse("about 5")


def test_a_benchmark_that_misses_a_bar_ends_with_1_and_names_it(
    benchmark: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, command_line = benchmark("record"), benchmark("command_line")
    good = record.Record("latency", "", "", (record.Row("median", 20, "ms", record.at_most(25)),))
    bad = record.Record("latency", "", "", (record.Row("median", 26, "ms", record.at_most(25)),))
    output = tmp_path / "results" / "latency.json"
    assert command_line.finish(good, output) == 0
    assert "FAILED" not in capsys.readouterr().err
    assert command_line.finish(bad, output) == 1
    assert "FAILED: median: 26, must be <= 25" in capsys.readouterr().err
    assert record.read_records(output.parent)[0].rows == bad.rows


def test_the_table_has_only_columns_with_something_in_them(benchmark: Benchmark) -> None:
    record, report = benchmark("record"), benchmark("report")
    one = record.Record(
        "latency",
        "Latency",
        "Medians.",
        (record.Row("a", 1234.5, "ms"), record.Row("b", 70, "ms", record.at_most(60))),
        commit="75da20d",
        processor="Xeon, 2 CPUs",
        date="2026-11-20",
    )
    assert report.section(one) == (
        "## Latency\n\nMedians.\n\n"
        "`make bench-latency`, commit 75da20d, Xeon, 2 CPUs, 2026-11-20, synthetic frames.\n\n"
        "| what | measured | bar |\n|---|---|---|\n| a | 1,234 ms |  |\n| b | **70 ms** | <= 60 |"
    )


def test_a_missed_ratio_is_bold_where_the_row_has_no_value(benchmark: Benchmark) -> None:
    record, report = benchmark("record"), benchmark("report")
    bar = record.at_most(0.75)
    rows = (record.Row("a", peer="JPEG", ratio=0.8, bar=bar), record.Row("b", 0.8, "s", bar))
    text = report.section(record.Record("codec", "", "", rows))
    assert "| a |  | JPEG | **0.8** | <= 0.75 |" in text
    assert "| b | **0.8 s** |  |  | <= 0.75 |" in text


def test_a_result_that_no_section_shows_is_refused(benchmark: Benchmark) -> None:
    record, report = benchmark("record"), benchmark("report")
    with pytest.raises(ValueError, match="without a place in the document: other"):
        report.document([record.Record("other", "", "", ())])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (0, "0"), (600, "600"), (7916.4, "7,916"), (19.54, "19.5"), (1.726, "1.73"),
        (0.54, "0.54"), (0.1005, "0.101"), (0.0542, "0.054"), (-0.5, "-0.5"), (3e-13, "3e-13"),
        (2_000_000, "2,000,000"),
    ],
)  # fmt: skip
def test_figures_have_the_digits_that_repeat(
    benchmark: Benchmark, value: float | None, text: str
) -> None:
    assert benchmark("report").figure(value) == text


def test_the_report_replaces_what_stands_between_the_markers_of_the_readme(
    benchmark: Benchmark,
) -> None:
    record, report = benchmark("record"), benchmark("report")
    whats: dict[str, list[str]] = {}
    for headline in report.HEADLINES:
        whats.setdefault(headline.record, []).append(headline.what)
    records = [
        record.Record(name, "", "", tuple(record.Row(what, 3, "ms") for what in found))
        for name, found in whats.items()
    ]
    before = "# R\n\n<!-- figures -->\n- old: 4 ms (`make x`)\n<!-- /figures -->\n\nend\n"
    after = report.readme(before, records)
    assert after.startswith("# R\n\n<!-- figures -->\n\n- ")
    assert after.endswith("\n\n<!-- /figures -->\n\nend\n")
    assert after.count("\n- ") == len(report.HEADLINES) == 6
    assert after.count(": 3 ms") == 6
    assert max(map(len, after.splitlines())) <= 100
    assert report.readme(after, records) == after
    assert not report.has_figures("no markers")
    with pytest.raises(KeyError, match="make bench-"):
        report.readme(before, [])
