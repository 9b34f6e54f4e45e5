"""The address of metrics: who may ask it, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from rankcast.errors import SettingsError, TransportError
from rankcast.metrics import (
    Definition,
    Exposition,
    Health,
    Kind,
    MetricsOptions,
    metrics_routes,
    open_metrics_server,
)
from rankcast.metrics.health import STALLED_S
from rankcast.runtime import Pulse
from rankcast.web import HttpServer
from support.certificates import make_certificate

VIEWERS = Definition("rankcast_test_viewers", Kind.GAUGE, "Viewers.")


@dataclass
class Options:
    """What a table of settings has."""

    listen: str = "127.0.0.1:0"
    token: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    hosts: Sequence[str] = field(default_factory=list)
    insecure: bool = False


class Station:
    """A process of which only the health is known."""

    def __init__(self) -> None:
        self.pulse = Pulse("encode of cam")
        self.now_s = 0.0
        self.cameras: Mapping[str, str] = {"cam": "live"}
        self.health = Health(
            lambda: [self.pulse], lambda: self.cameras, lambda cameras: "live" in cameras.values(),
            now_s=lambda: self.now_s,
        )  # fmt: skip

    def write(self, exposition: Exposition) -> None:
        exposition.add(VIEWERS, 7)

    def server(self, options: MetricsOptions) -> HttpServer:
        return open_metrics_server(options, metrics_routes("sender", self.health, self.write))


@contextmanager
def serving(station: Station, options: MetricsOptions) -> Iterator[str]:
    server = station.server(options)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def test_a_scraper_gets_the_format_that_it_accepts() -> None:
    with serving(Station(), Options()) as url:
        text = httpx.get(f"{url}metrics")
        assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
        openmetrics = httpx.get(f"{url}metrics", headers={"accept": accept})
        assert openmetrics.headers["content-type"].startswith("application/openmetrics-text; ")
    for families in (list(read_text(text.text)), list(read_openmetrics(openmetrics.text))):
        names = {family.name for family in families}
        assert {"rankcast_test_viewers", "rankcast_thread_stalled_seconds"} <= names
        assert "process_cpu_seconds" in names
        (info,) = (s for f in families for s in f.samples if s.name == "rankcast_info")
        assert info.labels["end"] == "sender"


def test_a_stuck_thread_is_named() -> None:
    station = Station()
    with serving(station, Options()) as url:
        assert httpx.get(f"{url}healthz").json() == {"status": "ok"}
        station.pulse.beat()
        station.now_s = float(station.pulse._beaten_s or 0.0) + STALLED_S + 1
        answer = httpx.get(f"{url}healthz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "stuck", "threads": {"encode of cam": STALLED_S + 1}}
        assert f'{{thread="encode of cam"}} {STALLED_S + 1}' in httpx.get(f"{url}metrics").text


def test_a_process_without_a_picture_is_not_ready() -> None:
    station = Station()
    with serving(station, Options()) as url:
        answer = httpx.get(f"{url}readyz")
        assert (answer.status_code, answer.json()) == (
            200, {"status": "ready", "cameras": {"cam": "live"}},
        )  # fmt: skip
        station.cameras = {"cam": "backoff"}
        answer = httpx.get(f"{url}readyz")
        assert (answer.status_code, answer.json()) == (
            503, {"status": "not ready", "cameras": {"cam": "backoff"}},
        )  # fmt: skip


def test_other_paths_and_methods_are_refused() -> None:
    with serving(Station(), Options()) as url:
        assert httpx.get(url).status_code == 404
        assert httpx.post(f"{url}metrics").status_code == 405
        assert httpx.head(f"{url}metrics").status_code == 200
        assert httpx.get(f"{url}metrics", headers={"host": "evil.example"}).status_code == 421


def test_names_of_the_machine_can_be_added() -> None:
    with serving(Station(), Options(hosts=["station.plant"])) as url:
        answer = httpx.get(f"{url}metrics", headers={"host": "station.plant:9464"})
    assert answer.status_code == 200


def test_tls_and_a_token_of_the_settings_are_used(tmp_path: Path) -> None:
    pair, token = make_certificate(tmp_path), tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("0123456789abcdef\n", encoding="ascii")
    options = Options(token=str(token), tls_cert=str(pair.certificate), tls_key=str(pair.key))
    with serving(Station(), options) as url:
        assert url.startswith("https:")
        proxied = {"x-forwarded-for": "10.0.0.9"}  # as if it came from another machine
        with httpx.Client(verify=False, headers=proxied) as client:
            assert client.get(f"{url}metrics").status_code == 401
            bearer = {"authorization": "Bearer 0123456789abcdef"}
            assert client.get(f"{url}metrics", headers=bearer).status_code == 200


def test_an_address_that_others_reach_needs_more() -> None:
    with pytest.raises(SettingsError) as refused:
        Station().server(Options("0.0.0.0:0"))
    assert str(refused.value) == (
        "--metrics 0.0.0.0:0 can be reached from other machines and lacks a certificate "
        "(metrics.tls_cert, metrics.tls_key) and a token (metrics.token): give what is missing, or "
        "metrics.insecure = true"
    )
    Station().server(Options("0.0.0.0:0", insecure=True)).stop()


def test_a_port_that_is_taken_is_named() -> None:
    server = Station().server(Options())
    try:
        with pytest.raises(TransportError, match=f"the metrics address 127.0.0.1:{server.port} "):
            Station().server(Options(f"127.0.0.1:{server.port}"))
    finally:
        server.stop()
