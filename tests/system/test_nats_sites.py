"""Sites whose servers are leaf nodes of a hub, as docs/scale.md configures them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from rankcast.errors import NoStreamError
from rankcast.nats import NatsAddress, NatsOptions
from rankcast.nats.client import request_once
from rankcast.runtime import NETWORK_GAP
from rankcast_receiver import Subscriber
from support.kept_camera import KeptCamera, keeping, wait
from support.nats_server import BareClient, NatsServer
from support.nats_sites import NatsSites, nats_sites

WAIT_S = 30.0
CAM = ("berlin", "cam")
STREAM = "rankcast=berlin=cam"


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsSites]:
    with nats_sites(tmp_path_factory.mktemp("sites")) as running:
        yield running


@pytest.fixture
def camera(sites: NatsSites) -> Iterator[KeptCamera]:
    berlin = NatsOptions(site="berlin")
    with keeping(sites.site["berlin"].address, codec="jpeg", nats=berlin) as running:
        running.wait_kept()
        yield running


class Viewer:
    """A live viewer in a thread."""

    def __init__(self, server: NatsServer) -> None:
        self._stop = threading.Event()
        self.subscriber = Subscriber(server.address, stopped=self._stop.is_set)
        self.newest = -1
        self.cameras: set[str] = set()
        self._thread = threading.Thread(target=self._run)

    def wait_frame(self, sequence: int) -> None:
        wait(lambda: self.newest >= sequence, f"frame {sequence}")

    def _run(self) -> None:
        for frame in self.subscriber:
            self.cameras.add(frame.camera)
            self.newest = frame.sequence

    def __enter__(self) -> Viewer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.balance = self.subscriber.balance()
        self.subscriber.close()


def ask(server: NatsServer, op: str, **args: int) -> object:
    address = NatsAddress.of(server.address)
    return request_once(address, NatsOptions(), CAM, op, args, timeout_s=WAIT_S).result


def streams(server: NatsServer) -> list[str]:
    with BareClient(server.port) as client:
        client.subscribe("answer")
        client.publish("$JS.API.STREAM.NAMES", b"", "answer")
        return json.loads(client.message()[1])["streams"] or []


def test_another_site_watches_a_camera_and_asks_but_does_not_change_it(
    sites: NatsSites, camera: KeptCamera
) -> None:
    with Viewer(sites.site["lyon"]) as viewer:
        viewer.wait_frame(0)
    assert viewer.cameras == {"berlin.cam"}
    assert ask(sites.site["lyon"], "get")["quality"] == 75  # type: ignore[index]
    with pytest.raises(NoStreamError, match="no sender"):
        ask(sites.site["lyon"], "set", quality=40)
    assert camera.publisher.settings["quality"] == 75
    ask(sites.site["berlin"], "set", quality=40)
    assert camera.publisher.settings["quality"] == 40


def test_only_subjects_of_viewers_cross_from_site_to_site(sites: NatsSites) -> None:
    refused = ("plant.secret", "rankcast.berlin.x.control.operator")
    frames = "rankcast.berlin.x.frames"
    berlin, lyon = sites.site["berlin"].port, sites.site["lyon"].port
    with ExitStack() as stack:
        publisher, own = (stack.enter_context(BareClient(port)) for port in (lyon, berlin))
        watchers = {
            subject: stack.enter_context(BareClient(berlin)) for subject in (*refused, frames)
        }
        for subject, watcher in watchers.items():
            watcher.subscribe(subject)
        it_came = threading.Event()

        def publish() -> None:
            while not it_came.wait(0.05):  # an interest takes its time from site to site
                for subject in watchers:
                    publisher.publish(subject, b"from lyon")

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            for _ in range(3):
                assert watchers[frames].message() == (frames, b"from lyon")
        finally:
            it_came.set()
            thread.join()
        for subject in refused:
            own.publish(subject, b"own")
            assert watchers[subject].message() == (subject, b"own")


def test_a_camera_is_kept_at_its_site_alone(sites: NatsSites, camera: KeptCamera) -> None:
    camera.wait_sent(1)
    assert streams(sites.site["berlin"]) == [STREAM]
    assert streams(sites.site["lyon"]) == []


def test_a_killed_hub_costs_other_sites_its_time_and_the_own_site_nothing(
    sites: NatsSites, camera: KeptCamera
) -> None:
    with Viewer(sites.site["berlin"]) as near, Viewer(sites.site["lyon"]) as far:
        near.wait_frame(0)
        far.wait_frame(0)
        sites.hub.kill()
        near.wait_frame(near.newest + 25)
        sites.hub.start()
        far.wait_frame(camera.sent[-1])
    assert NETWORK_GAP not in near.balance.lost
    assert far.balance.lost[NETWORK_GAP] > 0
    assert near.balance.under_way == far.balance.under_way == 0
