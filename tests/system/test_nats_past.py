"""Viewers that begin in the past, with what a real NATS server has kept."""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rankcast.frame import Frame
from rankcast.nats import KeepOptions, NatsOptions, PastOptions, parse_since
from rankcast.runtime import NETWORK_GAP
from rankcast_receiver import Subscriber
from rankcast_receiver.state import State
from support.kept_camera import KEPT, WAIT_S, keeping, wait
from support.nats_server import BareClient, NatsServer, nats_server


def past(text: str, speed: float = 0.0) -> PastOptions:
    return PastOptions(parse_since(text), speed)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_server(tmp_path, jetstream(tmp_path)) as running:
        yield running


def jetstream(folder: Path, more: str = "") -> str:
    return f'jetstream {{ store_dir: "{folder}/store"{more} }}'


def sequences(frames: list[Frame]) -> list[int]:
    return [frame.sequence for frame in frames]


def test_a_viewer_begins_in_the_past_and_goes_over_to_live_without_a_gap_or_a_repeated_frame(
    server: NatsServer,
) -> None:
    with keeping(server.address) as camera:
        camera.wait_sent(40)
        with Subscriber(server.address, live=False, timeout_s=WAIT_S, past=past("1h")) as viewer:
            live_after = camera.sent[-1]
            frames = list(itertools.islice(viewer, live_after + 40))
            wait(lambda: not viewer.states or viewer.states[0].state is not State.PAST, "live")
        got = sequences(frames)
        assert got == list(range(got[0], got[0] + len(got)))
        assert got[0] == camera.sent[0]
        assert NETWORK_GAP not in viewer.balance().lost
    # The stream costs the live viewers nothing: the frames after the change came from the camera.
    assert viewer.foreign_messages == 0


@pytest.mark.slow
def test_the_first_picture_is_the_key_frame_before_the_wanted_time(server: NatsServer) -> None:
    with keeping(server.address) as camera:
        camera.wait_sent(30)
        first = camera.sent[0]
        camera.wait_sent(50)
        with Subscriber(server.address, live=False, timeout_s=WAIT_S, past=past("1s")) as viewer:
            frames = list(itertools.islice(viewer, 20))
    assert frames[0].coding is not None
    assert frames[0].coding.key
    assert frames[0].sequence == first


@pytest.mark.slow
def test_the_past_is_played_as_it_was_and_never_shown_as_live(server: NatsServer) -> None:
    with keeping(server.address) as camera:
        camera.wait_sent(100)
        with Subscriber(server.address, timeout_s=WAIT_S, past=past("1h", speed=1.0)) as viewer:
            frames = iter(viewer)
            next(frames)
            began_s, began = time.monotonic(), next(frames)
            for frame in itertools.islice(frames, 20):
                last = frame
                (state,) = viewer.states
                assert state.state is State.PAST
            took_s = time.monotonic() - began_s
            assert "behind live" in state.detail
        apart_s = (last.t_capture_mono_ns - began.t_capture_mono_ns) / 1e9
        assert took_s > apart_s - 0.5


@pytest.mark.slow
def test_the_past_lasts_until_it_is_decoded(server: NatsServer) -> None:
    with keeping(server.address) as camera:
        camera.wait_kept()
        camera.wait_sent(120)
        camera.finish()
    with Subscriber(server.address, live=False, timeout_s=WAIT_S, past=past("1h")) as viewer:
        frames = iter(viewer)
        next(frames)
        queue = viewer._queue
        wait(lambda: not queue.links[0].catches_up, "the last packet of the stream")
        seen = {viewer.states[0].state for _ in itertools.islice(frames, 80)}
    assert seen == {State.PAST}


def test_a_stream_without_a_sender_is_played_to_its_end(server: NatsServer) -> None:
    with keeping(server.address) as camera:
        camera.wait_sent(30)
        camera.finish()
    with Subscriber(server.address, live=False, timeout_s=WAIT_S, past=past("1h")) as viewer:
        frames = list(viewer)
    assert sequences(frames) == camera.sent


@pytest.mark.slow
def test_the_end_of_an_earlier_run_is_not_the_end_of_the_stream(server: NatsServer) -> None:
    sent = []
    for _ in range(2):
        with keeping(server.address) as camera:
            camera.wait_kept()
            camera.wait_sent(30)
            camera.finish()
        sent += camera.sent
    with Subscriber(server.address, live=False, timeout_s=WAIT_S, past=past("1h")) as viewer:
        frames = list(itertools.islice(viewer, 1))
        # A decoder that is slower than the stream is read.
        queue = viewer._queue
        wait(lambda: not queue.links[0].catches_up, "the last packet of the stream")
        frames += list(viewer)
    assert sequences(frames) == sent


@pytest.mark.slow
def test_a_time_before_the_stream_begins_at_its_oldest_frame_and_says_so(
    server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    with keeping(server.address) as camera:
        camera.wait_sent(20)
        caplog.set_level(logging.WARNING)
        with Subscriber(
            server.address, live=False, timeout_s=WAIT_S, past=past("2001-01-01T00:00:00Z")
        ) as viewer:
            assert next(iter(viewer)).sequence == camera.sent[0]
    assert [line for line in caplog.messages if "its stream begins at" in line]


def test_a_camera_that_nobody_keeps_is_live_from_now_on_and_says_so(
    server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        keeping(server.address, KeepOptions()),
        Subscriber(server.address, timeout_s=WAIT_S, past=past("10m")) as viewer,
    ):
        next(iter(viewer))
    lines = [line for line in caplog.messages if "no stream keeps this camera" in line]
    assert len(lines) == 1


@pytest.mark.slow
def test_a_purged_stream_costs_what_was_in_it_and_nothing_else(server: NatsServer) -> None:
    with keeping(server.address) as camera:
        camera.wait_sent(50)
        with Subscriber(server.address, timeout_s=WAIT_S, past=past("1h", speed=0.5)) as viewer:
            frames = iter(viewer)
            next(frames)
            with BareClient(server.port) as administrator:
                administrator.publish("$JS.API.STREAM.PURGE.rankcast=default=cam", b"")
                administrator.ping()
            newest = camera.sent[-1]
            assert next(frame for frame in frames if frame.sequence >= newest)


def test_foreign_bytes_in_a_stream_are_counted_and_the_rest_is_played(server: NatsServer) -> None:
    with keeping(server.address) as camera:
        camera.wait_sent(10)
        with BareClient(server.port) as stranger:
            for data in (b"", b"hello", b"RKP\x01" + b"\xff" * 40, b"RKC" + bytes(60)):
                stranger.publish("rankcast.default.cam.frames", data)
            stranger.ping()
        camera.wait_sent(10)
        with Subscriber(server.address, live=False, timeout_s=WAIT_S, past=past("1h")) as viewer:
            got = sequences(list(itertools.islice(viewer, 15)))
            (stream,) = viewer.streams.values()
            assert viewer.foreign_messages + stream.refused_packets >= 4
    assert got == list(range(got[0], got[0] + 15))


@pytest.mark.slow
def test_a_receiver_that_keeps_every_frame_catches_up_after_an_outage(server: NatsServer) -> None:
    with keeping(server.address) as camera:
        camera.wait_kept()
        with Subscriber(server.address, live=False, timeout_s=WAIT_S) as viewer:
            frames = iter(viewer)
            got = [next(frames).sequence]
            viewer._inlets._by_sender[0]._connection.renew("a test")  # type: ignore[attr-defined]
            camera.wait_sent(20)
            got += sequences(list(itertools.islice(frames, 60)))
    assert got == list(range(got[0], got[0] + len(got)))
    assert NETWORK_GAP not in viewer.balance().lost


def test_the_permissions_of_the_documents_are_enough(tmp_path: Path) -> None:
    api = "$JS.API.STREAM.NAMES $JS.API.STREAM.INFO.> $JS.API.STREAM.MSG.GET.> $JS.API.CONSUMER.>"
    text = f"""
    authorization {{ users: [
      {{ user: camera, password: secret, permissions: {{
        publish: ["rankcast.*.*.frames", "rankcast.*.*.status", "_INBOX.>",
                  "$JS.API.STREAM.*", "$JS.API.STREAM.*.>"],
        subscribe: ["rankcast.*.*.control", "rankcast.*.*.control.operator", "_INBOX.>"] }} }},
      {{ user: viewer, password: secret, permissions: {{
        publish: ["rankcast.*.*.control", {", ".join(map(json.dumps, api.split()))}],
        subscribe: ["rankcast.*.*.frames", "rankcast.*.*.status", "_INBOX.>"] }} }}
    ] }}
    """
    password = tmp_path / "password"
    password.write_text("secret")
    camera_user, viewer_user = (
        NatsOptions(user=user, password_file=password) for user in ("camera", "viewer")
    )
    with (
        nats_server(tmp_path, jetstream(tmp_path) + text) as server,
        keeping(server.address, nats=camera_user) as camera,
    ):
        camera.wait_sent(20)
        with Subscriber(
            server.address, live=False, timeout_s=WAIT_S, past=past("1h"), nats=viewer_user
        ) as viewer:
            got = sequences(list(itertools.islice(viewer, 30)))
    assert got == camera.sent[:30]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "said"),
    [("", "JetStream is off"), (", max_file_store: 2MB", "insufficient storage")],
)
def test_a_server_that_cannot_keep_a_camera_is_said_once_and_the_camera_goes_on(
    tmp_path: Path, text: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with (
        nats_server(tmp_path, jetstream(tmp_path, text) if text else "") as server,
        keeping(server.address, KEPT) as camera,
    ):
        with Subscriber(server.address, timeout_s=WAIT_S) as viewer:
            frames = list(itertools.islice(viewer, 80))
        assert len(frames) == 80
        assert not camera.kept
        assert camera.longest_s < 1.0
    assert len([line for line in caplog.messages if said in line]) == 1
