"""ReceiverMetrics: figures of streams and sinks in a scrape; hostile names are bounded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rankcast.boot_clock import boot_s
from rankcast.metrics import Exposition
from rankcast.recorder import FreeSpace
from rankcast.runtime import NETWORK_GAP, SINK
from rankcast_receiver.metrics import MOST_CAMERAS, STATES, ReceiverMetrics, is_ready
from rankcast_receiver.sinks import SinkRunner
from rankcast_receiver.sinks.count import CountSink
from rankcast_receiver.state import CameraState, State
from rankcast_receiver.stream import CameraStream
from rankcast_receiver.subscriber import Subscriber

ADDRESS = "tcp://10.0.0.5:5555"


def subscriber(*streams: CameraStream, states: tuple[CameraState, ...] = ()) -> Subscriber:
    return cast(
        Subscriber,
        SimpleNamespace(
            streams={stream.camera: stream for stream in streams},
            states=states, foreign_messages=5, reconnects=6,
        ),
    )  # fmt: skip


def scraped(
    of: Subscriber | None, *runners: SinkRunner, space: FreeSpace | None = None
) -> dict[tuple[str, ...], float]:
    """Value of each sample, by its name and the values of its labels."""
    exposition = Exposition()
    ReceiverMetrics(lambda: of, runners, space).write(exposition)
    return {
        (sample.name.removeprefix("rankcast_receiver_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(exposition.text())
        for sample in family.samples
    }


def test_a_receiver_that_has_not_begun_or_has_ended_shows_its_sinks_alone() -> None:
    found = scraped(None, SinkRunner("count", CountSink, live=True))
    assert {key[0].split("_")[0] for key in found} == {"sink"}
    assert found["sink_frames_lost_total", "count", "sink"] == 0


def test_packets_that_a_web_address_dropped_are_counted_and_absent_without_one() -> None:
    dropped: list[int | None] = [None, 0, 7]
    found = []
    for count in dropped:
        exposition = Exposition()
        ReceiverMetrics(lambda: None, (), web_dropped=lambda count=count: count).write(exposition)
        samples = [
            sample.value
            for family in text_string_to_metric_families(exposition.text())
            for sample in family.samples
            if sample.name == "rankcast_receiver_web_packets_dropped_total"
        ]
        found.append(samples[0] if samples else None)
    assert found == dropped


def test_the_stream_that_is_received_is_shown_with_its_changes() -> None:
    stream = CameraStream("line3")
    assert scraped(subscriber(stream))["camera_stream", "line3", "main"] == 1
    stream.change("sub")
    found = scraped(subscriber(stream))
    assert found["camera_stream", "line3", "sub"] == 1
    assert found["stream_changes_total", "line3"] == 1


def test_a_stream_shows_its_ledger_latency_and_the_age_of_its_picture() -> None:
    stream = CameraStream("cam")
    stream.ledger.enter(10)
    stream.ledger.passed(7)
    stream.decoded_frames = 6
    stream.ledger.lose(NETWORK_GAP, 3)
    stream.latency.add(40.0)
    stream.packet_bytes = 123
    stream.captured_s = boot_s() - 2.0
    found = scraped(subscriber(stream))
    assert found["frames_published_total", "cam"] == 10
    assert found["frames_decoded_total", "cam"] == 6
    assert found["packets_decoded_total", "cam"] == 0
    assert found["frames_lost_total", "cam", "network_gap"] == 3
    assert found["frames_lost_total", "cam", "wrong_checksum"] == 0
    assert found["latency_seconds_bucket", "cam", "0.03"] == 0
    assert found["latency_seconds_bucket", "cam", "0.05"] == 1
    assert found["latency_seconds_sum", "cam"] == pytest.approx(0.04)
    assert found["picture_age_seconds", "cam"] == pytest.approx(2.0, abs=1.0)
    assert found["packet_bytes_total", "cam"] == 123
    assert (found["foreign_messages_total",], found["reconnects_total",]) == (5, 6)


def test_the_age_is_left_out_while_the_clock_of_the_sender_is_unknown() -> None:
    assert ("picture_age_seconds", "cam") not in scraped(subscriber(CameraStream("cam")))


def test_exactly_one_state_of_a_camera_is_current_also_before_its_name_is_known() -> None:
    states = (
        CameraState("", ADDRESS, State.SENDER_DEAD),
        CameraState("cam", "tcp://10.0.0.6:5555", State.LIVE),
    )
    found = {k: v for k, v in scraped(subscriber(states=states)).items() if k[0] == "camera_state"}
    assert len(found) == 2 * len(STATES)
    assert [key[1:] for key, value in found.items() if value == 1] == [
        ("", ADDRESS, "sender_dead"), ("cam", "tcp://10.0.0.6:5555", "live"),
    ]  # fmt: skip


def test_invented_names_of_cameras_are_bounded() -> None:
    streams = [CameraStream(f"c{number}") for number in range(MOST_CAMERAS + 50)]
    states = tuple(CameraState(s.camera, ADDRESS, State.LIVE) for s in streams)
    of = subscriber(*streams, states=states)
    found = scraped(of)
    assert sum(key[0] == "frames_decoded_total" for key in found) == MOST_CAMERAS
    assert sum(key[0] == "camera_state" for key in found) == MOST_CAMERAS * len(STATES)
    assert len(ReceiverMetrics(lambda: of, ()).states()) == MOST_CAMERAS


def test_a_sink_shows_what_it_lost_and_a_recorder_its_backlog() -> None:
    save = SinkRunner("save", CountSink, live=True)
    save.ledger.lose(SINK, 2)
    save.age.add(80.0)
    record = SinkRunner("record", CountSink, live=True, wants="packets")
    record.kept = 9
    found = scraped(None, save, record)
    assert found["sink_frames_lost_total", "save", "sink"] == 2
    assert found["sink_age_seconds_count", "save"] == 1
    assert found["sink_frames_kept_total", "record"] == 9
    assert found["recorder_backlog_bytes",] == 0


def test_the_free_space_of_the_disk_is_what_the_recorder_saw(tmp_path: Path) -> None:
    space = FreeSpace(tmp_path)
    assert ("recorder_free_bytes",) not in scraped(None, space=space), "nobody has looked yet"
    space.look()
    assert scraped(None, space=space)["recorder_free_bytes",] == space.bytes


def test_other_sinks_of_packets_are_no_recorder() -> None:
    web = SinkRunner("web", CountSink, live=True, wants="packets")
    assert ("recorder_backlog_bytes",) not in scraped(None, web)


@pytest.mark.parametrize(
    ("states", "ready"),
    [
        ({"a": "live"}, True), ({"a": "stale", "b": "waiting_for_trigger"}, True), ({}, False),
        ({ADDRESS: "sender_dead"}, False), ({"a": "ended"}, False),
    ],
)  # fmt: skip
def test_a_receiver_is_ready_while_a_camera_is_live_or_waits_for_a_trigger(
    states: Mapping[str, str], ready: bool
) -> None:
    assert is_ready(states) is ready
