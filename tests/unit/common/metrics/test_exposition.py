"""Exposition: what it writes is what the parsers of prometheus-client read, in both formats."""

from __future__ import annotations

import math
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from rankcast.metrics import Definition, Exposition, Kind, labelled

COUNTER = Definition("rankcast_test_frames_total", Kind.COUNTER, "Frames.")
GAUGE = Definition("rankcast_test_age_seconds", Kind.GAUGE, "Age.", "seconds")
TIMES = Definition("rankcast_test_times_seconds", Kind.HISTOGRAM, "Times.", "seconds")
INFO = Definition("rankcast_test_info", Kind.INFO, "Release.")
NUMBERS = st.floats() | st.integers(0, 2**63)


def read(exposition: Exposition) -> dict[str, Metric]:
    text = exposition.text()
    found = read_openmetrics(text + "# EOF\n") if exposition.openmetrics else read_text(text)
    return {family.name: family for family in found}


def filled(*, openmetrics: bool) -> Exposition:
    exposition = Exposition(openmetrics=openmetrics)
    exposition.add(INFO, 1, labelled(version="1.0"))
    for camera in ("left", "right"):
        exposition.add_all(COUNTER, {"encode": 0, "mailbox": 3}, "cause", labelled(camera=camera))
        exposition.add_state(GAUGE, ("live", "dead"), "dead", labelled(camera=camera))
        exposition.add_histogram(TIMES, (0.001, 1), [1, 2, 4], 9.5, labelled(camera=camera))
    return exposition


@pytest.mark.parametrize("openmetrics", [False, True])
def test_every_kind_is_read_as_it_was_written(openmetrics: bool) -> None:
    families = read(filled(openmetrics=openmetrics))
    counter = families["rankcast_test_frames"]
    assert counter.type == "counter"
    assert [(s.name, s.labels, s.value) for s in counter.samples[:2]] == [
        ("rankcast_test_frames_total", {"camera": "left", "cause": "encode"}, 0),
        ("rankcast_test_frames_total", {"camera": "left", "cause": "mailbox"}, 3),
    ]
    gauge = families["rankcast_test_age_seconds"]
    assert (gauge.type, gauge.documentation) == ("gauge", "Age.")
    assert [(s.labels["state"], s.value) for s in gauge.samples] == 2 * [("live", 0), ("dead", 1)]
    times = families["rankcast_test_times_seconds"]
    assert times.type == "histogram"
    assert [(s.name[27:], s.labels.get("le"), s.value) for s in times.samples[:5]] == [
        ("_bucket", "0.001", 1), ("_bucket", "1.0", 2),
        ("_bucket", "+Inf", 4), ("_count", None, 4), ("_sum", None, 9.5),
    ]  # fmt: skip


def test_openmetrics_states_units_and_the_kind_of_an_info() -> None:
    families = read(filled(openmetrics=True))
    assert families["rankcast_test_age_seconds"].unit == "seconds"
    assert families["rankcast_test"].type == "info"
    assert "# TYPE rankcast_test_info gauge" in filled(openmetrics=False).text()


@given(st.text(), NUMBERS)
def test_any_label_and_any_number_survive(value: str, number: float) -> None:
    for openmetrics in (False, True):
        exposition = Exposition(openmetrics=openmetrics)
        exposition.add(GAUGE, number, labelled(camera=value))
        (sample,) = read(exposition)["rankcast_test_age_seconds"].samples
        assert sample.labels == {"camera": value}
        assert sample.value == pytest.approx(number, nan_ok=True)


def test_families_without_samples_are_left_out() -> None:
    exposition = Exposition()
    exposition.add_all(COUNTER, {}, "cause")
    assert exposition.text() == ""


def test_samples_of_a_family_stand_together_in_whatever_order_they_come() -> None:
    exposition = Exposition(openmetrics=True)
    for camera in ("left", "right"):
        exposition.add(COUNTER, 1, labelled(camera=camera))
        exposition.add(GAUGE, math.inf, labelled(camera=camera))
    assert {name: len(family.samples) for name, family in read(exposition).items()} == {
        "rankcast_test_frames": 2, "rankcast_test_age_seconds": 2,
    }  # fmt: skip


def test_a_unit_that_the_name_does_not_say_is_a_defect() -> None:
    with pytest.raises(AssertionError):
        Definition("rankcast_age", Kind.GAUGE, "Age.", "seconds")


def test_promtool_has_nothing_to_say() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    exposition = Exposition()
    exposition.add_all(COUNTER, {"encode": 0}, "cause")
    exposition.add_histogram(TIMES, (0.001, 1), [1, 2, 4], 9.5)
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=exposition.text(), text=True,
        capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
