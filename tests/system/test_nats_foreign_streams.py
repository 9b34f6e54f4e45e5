"""Streams that an administrator made at a real NATS server: read, or refused in one line."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rankcast.nats import PastOptions, parse_since
from rankcast_receiver import Subscriber
from support.kept_camera import WAIT_S, keeping, wait
from support.nats_server import BareClient, NatsServer, nats_server

PAST = PastOptions(parse_since("1h"))
CHANNELS = ("frames", "status")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_server(tmp_path, f'jetstream {{ store_dir: "{tmp_path}/store" }}') as running:
        yield running


def create(server: NatsServer, subjects: Sequence[str]) -> None:
    with BareClient(server.port) as administrator:
        administrator.subscribe("answer")
        config = json.dumps({"name": "plant", "subjects": subjects, "no_ack": True}).encode()
        administrator.publish("$JS.API.STREAM.CREATE.plant", config, "answer")
        assert "error" not in json.loads(administrator.message()[1])


@pytest.mark.slow
def test_a_stream_may_list_several_cameras(server: NatsServer) -> None:
    create(server, [f"rankcast.default.{camera}.{channel}"
                    for camera in ("left", "right") for channel in CHANNELS])  # fmt: skip
    with keeping(server.address, name="left") as left, keeping(server.address, name="right"):
        left.wait_kept()
        left.wait_sent(30)
        with Subscriber(
            server.address, camera="default.left", live=False, timeout_s=WAIT_S, past=PAST
        ) as viewer:
            got = [frame.sequence for frame in itertools.islice(viewer, len(left.sent) + 20)]
    assert got == list(range(left.sent[0], left.sent[0] + len(got)))


def test_both_ends_say_that_a_camera_cannot_be_read_out_of_a_stream_with_wildcards(
    server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    create(server, [f"rankcast.*.*.{channel}" for channel in CHANNELS])
    caplog.set_level(logging.WARNING)
    with keeping(server.address) as camera:
        camera.wait_kept()
        wait(lambda: "receivers cannot read it" in caplog.text, "a line of the sender")
        with Subscriber(server.address, live=False, timeout_s=WAIT_S, past=PAST) as viewer:
            next(iter(viewer))  # live, because there is no past
    wanted = "rankcast.default.cam.frames and rankcast.default.cam.status in it"
    said = [record.getMessage() for record in caplog.records if wanted in record.getMessage()]
    assert [line.split(": ", 1)[0] for line in said] == ["cam", "default.cam"]
    assert "stream plant has subjects with * or >" in said[1]
