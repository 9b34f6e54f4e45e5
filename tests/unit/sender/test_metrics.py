"""SenderMetrics: figures of cameras, keys and a recording, as a scrape shows them."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from rankcast.frame import Scalar
from rankcast.metrics import Exposition
from rankcast.runtime import CAMERA_GAP, ENCODE, SINK
from rankcast_sender.camera import STATES, Camera, StreamOptions
from rankcast_sender.metrics import SenderMetrics, is_ready, is_waiting_or_ready
from rankcast_sender.publisher import Publisher
from rankcast_sender.sender_sockets import SenderSockets
from support.fakes import free_address


class Sockets:
    """What is asked of the sockets of a sender."""

    connections_closed = 3
    requests_dropped = 4
    frames_unsent = 5
    key_state: Mapping[str, Scalar] = {}


def scraped(metrics: SenderMetrics) -> dict[tuple[str, ...], float]:
    """Value of each sample, by its name and the values of its labels."""
    exposition = Exposition()
    metrics.write(exposition)
    return {
        (sample.name.removeprefix("rankcast_sender_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(exposition.text())
        for sample in family.samples
    }


def metrics_of(*cameras: Camera, sockets: object = None, **parts: Any) -> SenderMetrics:
    made = cast(SenderSockets, sockets or Sockets())
    return SenderMetrics(cameras, lambda: {c.name: 2 for c in cameras}, made, **parts)


def camera(name: str = "cam") -> Camera:
    return Camera(StreamOptions(name, "raw"))


def test_a_camera_that_has_done_nothing_has_every_cause_and_state() -> None:
    found = scraped(metrics_of(camera()))
    assert {key[2] for key in found if key[0] == "frames_lost_total"} == {
        "camera_gap", "mailbox", "encode", "nobody_watching", "slow_server", "stopped",
    }  # fmt: skip
    assert [key[2] for key in found if key[0] == "camera_state"] == list(STATES)
    assert sum(value for key, value in found.items() if key[0] == "camera_state") == 1
    assert found["encode_seconds_count", "cam"] == found["packet_bytes_count", "cam"] == 0
    assert ("frame_age_seconds", "cam") not in found, "there was no frame"
    assert not [key for key in found if "record" in key[0] or "keys" in key[0]]


def test_counts_of_each_camera_stand_beside_each_other() -> None:
    left, right = camera("left"), camera("right")
    left.lose(CAMERA_GAP, 5)
    right.lose(ENCODE)
    right.request_keyframe()
    found = scraped(metrics_of(left, right))
    assert found["frames_lost_total", "left", "camera_gap"] == 5
    assert found["frames_grabbed_total", "left"] == 5
    assert found["frames_lost_total", "right", "encode"] == 1
    assert found["keyframe_requests_total", "left"] == 0
    assert found["keyframe_requests_total", "right"] == 1
    assert found["source_failures_total", "left"] == 2
    assert (found["connections_closed_total",], found["requests_dropped_total",]) == (3, 4)
    assert found["frames_unsent_total",] == 5


def test_published_frames_fill_the_histograms() -> None:
    picture = np.zeros((48, 64), np.uint8)
    with Publisher(free_address(), codec="raw") as publisher:
        publisher.camera.tape = cast(Any, Tape())
        for _ in range(3):
            assert publisher.send(picture) is not None
        metrics = metrics_of(publisher.camera)
        found = scraped(metrics)
        size = publisher.packet_bytes
    assert found["packet_bytes_count", "cam"] == found["encode_seconds_count", "cam"] == 3
    assert found["packet_bytes_sum", "cam"] == found["published_bytes_total", "cam"] == size
    assert found["packet_bytes_bucket", "cam", "5000.0"] == 3
    assert found["packet_bytes_bucket", "cam", "2000.0"] == 0
    assert 0 < found["encode_seconds_sum", "cam"] < 30
    assert found["frames_recorded_total", "cam"] == 7
    assert found["frames_not_recorded_total", "cam", SINK] == 1


class Tape:
    """A recording that has frames whatever is offered."""

    recorded = 7
    lost: Mapping[str, int] = {SINK: 1}

    def offer(self, packet: object) -> None:
        del packet

    def note(self, data: bytes) -> None:
        del data


def test_keys_and_the_recorder_have_series_only_where_they_are() -> None:
    sockets = Sockets()
    sockets.key_state = {"authorized": 2, "refused": 9, "flooding": 1, "alarm": True}
    box = SimpleNamespace(waiting_bytes=1000, free_bytes=None)
    found = scraped(metrics_of(camera(), sockets=sockets, black_box=cast(Any, box)))
    names = ("authorized", "refused_total", "flooding", "alarm")
    assert [found[f"keys_{name}",] for name in names] == [2, 9, 1, 1]
    assert found["recorder_backlog_bytes",] == 1000
    assert ("recorder_free_bytes",) not in found, "nobody has looked yet"


@pytest.mark.parametrize(
    ("states", "ready"),
    [
        ({"a": "live"}, True), ({"a": "backoff", "b": "waiting"}, True), ({}, False),
        ({"a": "opening"}, False), ({"a": "frozen", "b": "stalled"}, False),
    ],
)  # fmt: skip
def test_a_sender_is_ready_while_a_camera_is_live_or_waits_for_a_trigger(
    states: Mapping[str, str], ready: bool
) -> None:
    assert is_ready(states) is ready


@pytest.mark.parametrize(
    ("states", "ready"),
    [
        ({"a": "opening"}, True),
        ({"a": "failed", "b": "opening"}, True),
        ({"a": "live"}, True),
        ({"a": "failed", "b": "backoff"}, False),
        ({}, False),
    ],
)
def test_a_sender_that_waits_for_viewers_is_ready_until_all_its_cameras_have_failed(
    states: dict[str, str], ready: bool
) -> None:
    assert is_waiting_or_ready(states) is ready
