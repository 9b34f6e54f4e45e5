"""Which substreams a relay follows, which it receives, and what a hostile sender can cost it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from rankcast.metrics import Exposition
from rankcast.wire import Status
from rankcast_receiver.stream import CameraStream, StreamOptions
from rankcast_relay.metrics import RelayMetrics
from rankcast_relay.pipeline import RelayPipeline
from rankcast_relay.relayed_camera import RelayedCamera
from rankcast_relay.substreams import LEAVE_S, MAX_NAMES, MAX_SUBSTREAMS, Substreams
from rankcast_sender.outlet import Outlet
from rankcast_sender.sockets import Channel, NewStream, Outgoing

SIZES = {"main": "64x64", "sub": "32x32"}


class FakeFollower:
    def __init__(self) -> None:
        self.calls: list[dict[str, bool]] = []

    def follow(self, substreams: Mapping[str, bool]) -> None:
        self.calls.append(dict(substreams))

    @property
    def follows(self) -> dict[str, bool]:
        return self.calls[-1] if self.calls else {}


class FakeOutlet:
    def __init__(self) -> None:
        self.items: list[Outgoing] = []

    def send(self, channel: Channel, packet: Outgoing) -> bool:  # noqa: ARG002
        self.items.append(packet)
        return True


class Site:
    """The cameras of one relay."""

    def __init__(self, refusal: str = "") -> None:
        self.outlet = FakeOutlet()
        self.cameras: dict[str, RelayedCamera] = {}
        self.follower = FakeFollower()
        self.substreams = Substreams(refusal)
        self.now_s = 100.0

    def add(self, name: str, sender: int = 0, at_server: bool = False) -> RelayedCamera:
        camera = self.cameras[name] = RelayedCamera(
            name.replace(".", "-") if at_server else name,
            CameraStream(name, StreamOptions(on_demand=True)), sender, at_server, "me", self.outlet,
            None, lambda _: None,
        )  # fmt: skip
        return camera

    def offer(self, name: str, streams: Mapping[str, str]) -> None:
        camera = self.cameras[name]
        camera._last_status = replace(Status(), streams=streams)

    def look(self, after_s: float = 0.05) -> dict[str, bool]:
        self.now_s += after_s
        self.substreams.look(self.cameras, self.follower, self.now_s)
        return self.follower.follows


def test_cameras_without_substreams_cost_nothing() -> None:
    site = Site()
    camera = site.add("line3")
    site.look()
    assert site.follower.calls == []
    assert camera.status().streams == {}


def test_the_status_alone_is_received_until_somebody_watches_and_a_second_longer() -> None:
    site = Site()
    camera = site.add("line3")
    site.offer("line3", SIZES)
    assert site.look() == {"line3.sub": False}
    assert camera.status().streams == SIZES
    sub = site.add("line3.sub")
    site.offer("line3.sub", SIZES)
    sub.known = True
    assert site.look() == {"line3.sub": False}
    sub.channel.viewers = 2
    assert site.look() == {"line3.sub": True}
    assert sub.status().streams == SIZES
    sub.channel.viewers = 0
    assert site.look(LEAVE_S / 2) == {"line3.sub": True}
    assert site.outlet.items == []
    assert site.look(LEAVE_S) == {"line3.sub": False}
    (item,) = site.outlet.items
    assert cast("NewStream", item).broken
    assert len(site.follower.calls) == 3


def test_what_is_offered_no_longer_is_not_told_and_its_viewers_hear_nothing() -> None:
    site = Site()
    camera = site.add("line3")
    site.offer("line3", SIZES)
    site.look()
    sub = site.add("line3.sub")
    sub.channel.viewers = 1
    assert site.look() == {"line3.sub": True}
    site.offer("line3", {})
    assert site.look() == {}
    assert camera.status().streams == {}
    assert sub.channel.silent
    assert sub.is_withdrawn


def test_a_sender_that_invents_names_gets_a_bounded_number_and_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = Site()
    site.add("line3")
    for number in range(10 * MAX_NAMES):
        site.offer("line3", {"main": "", f"s{number}": ""})
        site.look()
    followed = {name for call in site.follower.calls for name in call}
    assert len(followed) == MAX_NAMES
    assert len(caplog.records) == 1
    assert site.follower.follows == {}
    for number in range(2 * MAX_SUBSTREAMS // 8):
        site.add(f"cam{number}")
        site.offer(f"cam{number}", {f"s{k}": "" for k in range(8)})
    assert len(site.look()) == MAX_SUBSTREAMS - MAX_NAMES
    site.add("honest", sender=1)
    site.offer("honest", SIZES)
    assert site.look()["honest.sub"] is False


def test_where_substreams_do_not_go_on_one_line_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = Site("to a NATS server main streams go alone")
    camera = site.add("line3")
    site.offer("line3", SIZES)
    for _ in range(3):
        assert site.look() == {}
    assert camera.status().streams == {}
    assert [record.getMessage() for record in caplog.records] == [
        "line3: its substreams are not relayed: to a NATS server main streams go alone"
    ]


def test_substreams_of_a_server_are_not_told_and_one_line_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = Site()
    camera = site.add("plant.line3", at_server=True)
    site.offer("plant.line3", SIZES)
    for _ in range(3):
        assert site.look() == {}
    assert camera.status().streams == {}
    assert [record.getMessage() for record in caplog.records] == [
        "plant-line3: its substreams are not relayed: from a NATS server main streams go alone"
    ]


def test_a_substream_neither_makes_a_relay_ready_nor_is_shown_once_it_is_withdrawn() -> None:
    site = Site()
    site.add("line3")
    site.offer("line3", SIZES)
    sub = site.add("line3.sub")
    pipeline = cast("RelayPipeline", SimpleNamespace(cameras=site.cameras, reconnects=0))
    outlet = cast("Outlet", SimpleNamespace(connections_closed=0, requests_dropped=0))
    metrics = RelayMetrics(pipeline, outlet, lambda: 0)

    def shown() -> str:
        exposition = Exposition()
        metrics.write(exposition)
        return exposition.text()

    assert 'camera="line3.sub"' in shown()
    sub.withdraw()
    assert 'camera="line3.sub"' not in shown()
    assert 'camera="line3"' in shown()
    assert set(metrics.states()) == {"line3"}
