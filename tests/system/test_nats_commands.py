"""The commands at a real NATS server."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.fakes import free_address
from support.later import later
from support.nats_server import BareClient, NatsServer, nats_server
from support.processes import rankcast, read_report, run

SOURCE = "synthetic:conveyor?width=160&height=120"
SMALL = ("--source", SOURCE, "--codec", "jpeg", "--fps", "10")
WAIT_S = 30.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_server(tmp_path) as running:
        yield running


def test_two_sites_are_received_listed_and_shown_in_browsers(
    server: NatsServer, tmp_path: Path
) -> None:
    web = free_address().removeprefix("tcp://")
    report = tmp_path / "report.json"
    camera = ("--to", server.address, "--name", "left", "--site")
    with (
        rankcast("send", *SMALL, *camera, "berlin"),
        rankcast("send", *SMALL, *camera, "oslo") as oslo,
        rankcast(
            "receive", "--connect", server.address, "--web", web, "--report", str(report),
            "--save", str(tmp_path / "pictures"), "--verbose",
        ) as viewer,
    ):  # fmt: skip
        viewer.wait_line("berlin.left: live")
        viewer.wait_line("oslo.left: live")
        found = rankcast_json("find", "--nats", server.address, "--timeout", "1.5", "--json")
        names = {camera["name"]: camera["viewers"] for camera in found["cameras"]}
        assert names == {"berlin.left": 1, "oslo.left": 1}
        listed = httpx.get(f"http://{web}/api/cameras", timeout=WAIT_S).json()["cameras"]
        assert sorted(camera["name"] for camera in listed) == ["berlin.left", "oslo.left"]
        oslo.process.kill()
        viewer.wait_match("oslo.left: sender dead")
        assert viewer.stop(signal.SIGTERM) == 0
    values = json.loads(report.read_text())
    assert values["balanced"] is not False  # None: what the killed sender sent last is not known
    assert set(values["cameras"]) == {"berlin.left", "oslo.left"}
    assert any((tmp_path / "pictures").glob("berlin.left_*.png"))


@pytest.mark.slow
def test_a_report_counts_rubbish_on_the_subjects_of_a_camera_and_stays_balanced(
    server: NatsServer, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    camera = ("--to", server.address, "--site", "berlin", "--name", "left")
    with (
        rankcast("send", *SMALL, *camera) as sender,
        rankcast(
            "receive", "--connect", server.address, "--camera", "berlin.left",
            "--report", str(report), "--verbose",
        ) as viewer,
        BareClient(server.port) as stranger,
    ):  # fmt: skip
        viewer.wait_frames()
        for _ in range(200):
            stranger.publish("rankcast.berlin.left.frames", b"rubbish")
            stranger.publish("rankcast.berlin.left.status", b"rubbish")
        stranger.ping()
        assert sender.stop(signal.SIGTERM) == 0
        assert viewer.wait() == 0
    values = read_report(report)
    assert values["refused_packets"] + values["foreign_messages"] == 400
    assert values["balanced"] is True
    assert [*values["cameras"]] == ["berlin.left"]


def rankcast_json(*arguments: str) -> dict[str, list[dict[str, object]]]:
    output: dict[str, list[dict[str, object]]] = json.loads(run(*arguments).stdout)
    return output


@pytest.mark.slow
def test_a_stop_takes_no_longer_while_the_server_hangs(server: NatsServer) -> None:
    with (
        rankcast("send", *SMALL, "--to", server.address) as sender,
        rankcast("receive", "--connect", server.address, "--verbose") as viewer,
    ):
        viewer.wait_frames()
        server.signal(signal.SIGSTOP)
        try:
            assert sender.stop(signal.SIGTERM) == 0
            assert viewer.stop(signal.SIGTERM) == 0
        finally:
            server.signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        later(("send", "--to", "nats://"), 2, "want nats://HOST:PORT"),
        (("send", "--to", "nats://192.0.2.1"), 2, "is another machine"),
        later(("send", "--to", "nats://127.0.0.1", "--no-realtime"),
              2, "got --no-realtime with nats"),
        later(("send", "--to", "nats://127.0.0.1", "--control", "off"),
              2, "got --control with nats"),
        later(("send", "--to", "nats://127.0.0.1", "--site", "A"), 2, "--site"),
        later(("send", "--site", "berlin", "--check"),
              2, "got --site berlin without a NATS server"),
        later(("receive", "--connect", "nats://a,,b"), 2, "want nats://HOST:PORT"),
        (("receive", "--connect", "nats://127.0.0.1:9", "--timeout", "1"), 4, "connection refused"),
        later(("find", "--nats", "nats://127.0.0.1:9"), 4, "connection refused"),
        later(("find", "--site", "x"), 2, "without --nats"),
        later(("control", "nats://127.0.0.1:9", "get"), 2, "give --camera SITE.CAMERA"),
        later(("control", "nats://127.0.0.1:9", "get", "--camera", "a.b"), 4, "connection refused"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_one_line(arguments: tuple[str, ...], code: int, said: str) -> None:
    with rankcast(*arguments) as command:
        assert command.wait() == code
        errors = [line for line in command.lines if line.startswith("rankcast: ")]
    assert len(errors) == 1, command.lines
    assert said in errors[0]


@pytest.mark.slow
def test_a_sender_starts_without_its_server_and_publishes_once_that_is_there(
    server: NatsServer,
) -> None:
    server.kill()
    with (
        rankcast("send", *SMALL, "--to", server.address) as sender,
        rankcast("receive", "--connect", server.address, "--verbose") as viewer,
    ):
        sender.wait_line("connection refused: no NATS server listens there")
        viewer.wait_line("network dead: nothing answered")
        began_s = time.monotonic()
        server.start()
        viewer.wait_frames()
        assert time.monotonic() - began_s < WAIT_S
        assert sender.stop(signal.SIGTERM) == 0
