"""A real Prometheus at a sender, a relay and a receiver: what dashboard and alert rules see."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.fakes import free_address
from support.keyed_station import KeyedStation
from support.processes import REPOSITORY, Rankcast, rankcast

ALERTS = REPOSITORY / "config" / "prometheus" / "alerts.yml"
DASHBOARD = REPOSITORY / "config" / "grafana" / "rankcast.json"
WAIT_S = 60.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        shutil.which("prometheus") is None,
        reason="prometheus is not installed: apt-get install prometheus",
    ),
]


class Prometheus:
    """The HTTP API of a running Prometheus."""

    def __init__(self, address: str) -> None:
        self._api = f"http://{address}/api/v1"

    def get(self, path: str, **parameters: str) -> Any:
        answer = httpx.get(f"{self._api}/{path}", params=parameters, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def values(self, query: str) -> list[float]:
        """Return what a query gives, without what a panel cannot draw."""
        found = [float(sample["value"][1]) for sample in self.get("query", query=query)["result"]]
        return [value for value in found if not math.isnan(value)]

    def firing(self) -> set[tuple[str, str]]:
        """Return names of the alerts that fire, with the state that they tell."""
        return {
            (alert["labels"]["alertname"], alert["labels"].get("state", ""))
            for alert in self.get("alerts")["alerts"]
            if alert["state"] == "firing"
        }

    def rule_states(self) -> set[str]:
        """Return whether the expressions of all alerts could be evaluated."""
        return {rule["health"] for group in self.get("rules")["groups"] for rule in group["rules"]}

    def is_ready(self) -> bool:
        try:
            return bool(self.get("targets")["activeTargets"])
        except httpx.TransportError:
            return False


def wait_until(condition: Callable[[], Any], otherwise: Callable[[], Any]) -> None:
    ends_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < ends_s, otherwise()
        time.sleep(0.5)  # as often as Prometheus looks, which tells nobody


@contextmanager
def prometheus(folder: Path, *ends: Rankcast) -> Iterator[Prometheus]:
    """Run Prometheus with these targets and with rules that do not wait before they fire."""
    targets = [
        re.sub(r"^http://|/$", "", end.wait_line("metrics address: ").rpartition(" ")[2])
        for end in ends
    ]
    rules = ALERTS.read_text(encoding="utf-8")
    (folder / "alerts.yml").write_text(re.sub(r"\bfor: \w+", "for: 2s", rules))
    settings = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [{"job_name": "rankcast", "static_configs": [{"targets": targets}]}],
        "rule_files": ["alerts.yml"],
    }
    (folder / "prometheus.yml").write_text(json.dumps(settings))  # JSON is YAML too
    address = free_address().removeprefix("tcp://")
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={folder / 'prometheus.yml'}",
             f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            server = Prometheus(address)
            wait_until(server.is_ready, (folder / "prometheus.log").read_text)
            yield server
        finally:
            process.kill()
            process.wait()


def queries() -> dict[str, str]:
    """Every query of the dashboard, by its panel and letter."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return {
        f"{panel['title']}, {target['refId']}": re.sub(
            r"\$\w+", ".*", target["expr"].replace("$__rate_interval", "10s")
        )
        for panel in panels
        for target in panel.get("targets", ())
    }


def test_every_panel_has_data_and_a_killed_sender_is_an_alert_at_every_end(tmp_path: Path) -> None:
    station, address, relayed = KeyedStation(tmp_path), free_address(), free_address()
    viewer = station.make("viewer1")
    with (
        rankcast(
            "send", "--source", "synthetic:conveyor?width=320&height=240", "--fps", "20",
            "--bind", address, "--key", str(tmp_path / "cam.key"),
            "--authorized", str(station.authorized), "--record", str(tmp_path / "sent.mcap"),
            "--metrics", "127.0.0.1:0",
        ) as sender,
        rankcast(
            "relay", "--from", address, "--to", relayed, *viewer, "--metrics", "127.0.0.1:0",
            "--authorized", str(station.authorized),
        ) as relay,
        rankcast(
            "receive", "--connect", relayed, *station.options("viewer1", "viewer1"),
            "--record", str(tmp_path / "received.mcap"), "--metrics", "127.0.0.1:0",
        ) as receiver,
        prometheus(tmp_path, sender, relay, receiver) as server,
    ):  # fmt: skip
        receiver.wait_line("cam: live")

        def without_data() -> list[str]:
            return [place for place, query in queries().items() if not server.values(query)]

        assert len(queries()) >= 49
        wait_until(lambda: not without_data(), without_data)
        wait_until(lambda: server.rule_states() == {"ok"}, server.rule_states)
        assert server.values("max(rankcast_relay_frames_forwarded_total)") > [0.0]
        wanted = {
            ("RankcastEndDown", ""),
            ("RankcastRelayedCameraNotLive", "uplink_down"),
            ("RankcastPictureNotLive", "network_dead"),
            ("RankcastPictureStale", ""),
        }
        # A busy machine may lose frames and have a full disk; its cameras are live all the same.
        wait_until(lambda: not wanted & server.firing(), server.firing)

        sender.process.kill()
        wait_until(lambda: wanted <= server.firing(), server.firing)


def test_a_relay_that_never_reaches_a_sender_is_an_alert(tmp_path: Path) -> None:
    with (
        rankcast(
            "relay", "--from", free_address(), "--to", free_address(), "--metrics", "127.0.0.1:0"
        ) as relay,
        prometheus(tmp_path, relay) as server,
    ):
        wanted = {("RankcastRelayWithoutCamera", "")}
        wait_until(lambda: server.firing() == wanted, server.firing)
