"""docs/metrics.md against what a sender and a receiver expose, and what config/ uses of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from rankcast.metrics import PROCESS_DEFINITIONS, Definition
from rankcast.runtime import ledger
from rankcast_receiver import metrics as receiver_metrics
from rankcast_receiver.state import State
from rankcast_relay import metrics as relay_metrics
from rankcast_sender import metrics as sender_metrics
from rankcast_sender.camera import STATES
from support.fakes import free_address
from support.keyed_station import KeyedStation
from support.processes import Rankcast, rankcast

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "metrics.md").read_text(encoding="utf-8")
ALERTS = REPOSITORY / "config" / "prometheus" / "alerts.yml"
ALERT_TESTS = Path(__file__).with_name("alert_tests.yml")
DASHBOARD = REPOSITORY / "config" / "grafana" / "rankcast.json"
WAIT_S = 40.0

_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([\w, ]*?) ?\| .+ \|$", re.MULTILINE)
DOCUMENTED = {
    name: (kind, frozenset(filter(None, labels.split(", "))))
    for name, kind, labels in _ROW.findall(PAGE)
}
"""Kind and labels of every metric, by its name in queries."""
_NAME = re.compile(r"\b(?:rankcast|process)_[a-z0-9_]+\b")
_SUFFIXES = re.compile(r"_(?:bucket|count|sum)$")

promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus"
)


def exposed(process: Rankcast) -> dict[str, tuple[str, frozenset[str]]]:
    """Kind and labels of every metric that a process exposes."""
    address = process.wait_line("metrics address: ").rpartition(" ")[2]
    text = httpx.get(
        f"{address}metrics", headers={"accept": "application/openmetrics-text"}, timeout=20
    ).text
    return dict(map(described, text_string_to_metric_families(text)))


def everything_exposed(ends: Iterable[Rankcast]) -> dict[str, tuple[str, frozenset[str]]]:
    return {name: found for end in ends for name, found in exposed(end).items()}


def described(family: Metric) -> tuple[str, tuple[str, frozenset[str]]]:
    suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
    labels = {name for sample in family.samples for name in sample.labels} - {"le"}
    return family.name + suffix, (family.type, frozenset(labels))


OF_A_SERVER: Final = {"rankcast_sender_kept", "rankcast_sender_messages_not_kept_total"}
"""Exist with a NATS server that keeps cameras."""


@pytest.mark.skipif(sys.platform != "linux", reason="the metrics process_... are those of Linux")
def test_the_page_lists_what_a_sender_a_receiver_and_a_relay_expose_and_nothing_else(
    tmp_path: Path,
) -> None:
    station, address = KeyedStation(tmp_path), free_address()
    viewer = station.make("viewer1")
    with (
        rankcast(
            "send", "--source", "synthetic:conveyor?width=64&height=48", "--fps", "20",
            "--bind", address, "--key", str(tmp_path / "cam.key"),
            "--authorized", str(station.authorized), "--record", str(tmp_path / "sent.mcap"),
            "--set", "codec.bitrate=1 Mbit/s", "--set", "codec.min_bitrate=100 kbit/s",
            "--metrics", "127.0.0.1:0",
        ) as sender,
        rankcast(
            "receive", "--connect", address, *viewer, "--save", str(tmp_path / "pictures"),
            "--save-every", "50", "--record", str(tmp_path / "received.mcap"),
            "--web", "127.0.0.1:0", "--metrics", "127.0.0.1:0",
        ) as receiver,
        rankcast(
            "--from", address, "--to", free_address(), "--key", str(tmp_path / "viewer1.key"),
            "--server-key", str(tmp_path / "cam.pub"), "--metrics", "127.0.0.1:0",
            module="rankcast_relay",
        ) as relay,
    ):  # fmt: skip
        ends_s = time.monotonic() + WAIT_S
        wanted = {name: of for name, of in DOCUMENTED.items() if name not in OF_A_SERVER}
        ends = (sender, receiver, relay)
        found = everything_exposed(ends)
        # Some need the clock of the other end, or a first look at the disk.
        while found != wanted and time.monotonic() < ends_s:
            found = everything_exposed(ends)
        for process in ends:
            url = process.wait_line("metrics address: ").rpartition(" ")[2]
            assert httpx.get(f"{url}healthz").json() == {"status": "ok"}
            assert httpx.get(f"{url}readyz").json()["cameras"] == {"cam": "live"}
    assert found == wanted


@pytest.mark.parametrize(
    "definition",
    [
        *PROCESS_DEFINITIONS,
        *sender_metrics.DEFINITIONS,
        *receiver_metrics.DEFINITIONS,
        *relay_metrics.DEFINITIONS,
    ],
    ids=lambda definition: definition.name,
)
def test_every_definition_is_documented_and_named_as_openmetrics_wants(
    definition: Definition,
) -> None:
    assert DOCUMENTED[definition.name][0] == definition.kind
    assert definition.name.endswith("_total") == (definition.kind == "counter")
    assert re.search(r"_(seconds|bytes)\b", definition.family + " ") is None or definition.unit
    assert definition.text.endswith(".")


def test_every_cause_of_loss_has_a_series_at_the_end_where_it_occurs() -> None:
    causes = {
        value for name, value in vars(ledger).items() if name.isupper() and isinstance(value, str)
    }
    ends = (sender_metrics.LOSSES, receiver_metrics.LOSSES, relay_metrics.LOSSES)
    assert set().union(*ends) | {ledger.SINK} == causes
    assert ledger.SINK in receiver_metrics.SINK_LOSSES
    assert ledger.SINK in sender_metrics.NOT_RECORDED


def test_every_metric_of_the_alerts_and_of_the_dashboard_exists() -> None:
    for path in (ALERTS, DASHBOARD):
        text = path.read_text(encoding="utf-8").replace("rankcast_(sender|relay|receiver)_", "")
        names = {_SUFFIXES.sub("", name) for name in _NAME.findall(text)}
        assert len(names) >= 10
        assert names - DOCUMENTED.keys() == set(), path.name


def test_every_state_and_cause_that_they_ask_for_exists() -> None:
    labels = re.compile(r'(rankcast_\w+)\{[^}]*?\b(state|cause)(?:=|!=|=~|!~)\\?"([\w|]+)\\?"')
    known = {
        ("rankcast_sender_camera_state", "state"): set(STATES),
        ("rankcast_relay_camera_state", "state"): {*STATES, relay_metrics.UPLINK_DOWN},
        ("rankcast_receiver_camera_state", "state"): {state.value for state in State},
        ("rankcast_sender_frames_lost_total", "cause"): set(sender_metrics.LOSSES),
        ("rankcast_sender_frames_not_recorded_total", "cause"): set(sender_metrics.NOT_RECORDED),
        ("rankcast_relay_frames_lost_total", "cause"): set(relay_metrics.LOSSES),
        ("rankcast_receiver_frames_lost_total", "cause"): set(receiver_metrics.LOSSES),
        ("rankcast_receiver_sink_frames_lost_total", "cause"): set(receiver_metrics.SINK_LOSSES),
    }
    asked = [
        found
        for path in (ALERTS, DASHBOARD)
        for found in labels.findall(path.read_text(encoding="utf-8"))
    ]
    assert len(asked) >= 20
    for name, label, values in asked:
        assert set(values.split("|")) <= known[name, label], name


@pytest.mark.parametrize(
    ("end", "states"),
    [
        ("sender", STATES),
        ("relay", (*STATES, relay_metrics.UPLINK_DOWN)),
        ("receiver", tuple(state.value for state in State)),
    ],
)
def test_a_panel_names_every_state_of_each_end(end: str, states: tuple[str, ...]) -> None:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    (panel,) = (panel for panel in panels if panel["title"] == f"State at the {end}")
    (query,) = panel["targets"]
    asked = re.findall(
        rf'(\d+) \* .*?rankcast_{end}_camera_state\{{.*?state="(\w+)"', query["expr"]
    )
    mappings = panel["fieldConfig"]["defaults"]["mappings"]
    named = [(number, option["text"]) for m in mappings for number, option in m["options"].items()]
    assert named == asked
    assert [state for _, state in asked] == list(states)


def expressions() -> Iterator[str]:
    """Every query of the dashboard, with its variables filled in as Grafana does."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", "1m")
            yield re.sub(r"\$\w+", ".*", expression)


def test_the_dashboard_shows_every_camera_and_names_its_panels() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(places)) == len(places), "panels overlap"
    assert max(x for x, _ in places) < 24
    assert {v["name"] for v in dashboard["templating"]["list"]} >= {"instance", "camera"}


def checked(*arguments: str | Path, works: Callable[[int], bool] = lambda code: code == 0) -> str:
    done = subprocess.run(
        ["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=50, check=False
    )
    assert works(done.returncode), done.stdout + done.stderr
    return done.stdout


@promtool
def test_the_alert_rules_are_valid() -> None:
    assert "SUCCESS" in checked("check", "rules", "--lint-fatal", ALERTS)


@promtool
def test_the_queries_of_the_dashboard_are_valid(tmp_path: Path) -> None:
    found = list(expressions())
    assert len(found) >= 30
    rules = [{"record": f"query:{n}", "expr": query} for n, query in enumerate(found)]
    path = tmp_path / "rules.yml"  # JSON is YAML too
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(found)} rules found" in checked("check", "rules", "--lint", "none", path)


@promtool
def test_the_alerts_fire_when_they_must_and_only_then(tmp_path: Path) -> None:
    shutil.copy(ALERTS, tmp_path)
    path = tmp_path / ALERT_TESTS.name
    shutil.copy(ALERT_TESTS, path)
    assert "SUCCESS" in checked("test", "rules", path)
