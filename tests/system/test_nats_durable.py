"""A recorder whose place a real NATS server keeps: killed, restarted, and in wrong company."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rankcast.recordings import Recording
from support.faultproxy import FaultProxy
from support.kept_camera import KeptCamera, keeping, wait
from support.nats_server import BareClient, NatsServer, nats_server
from support.processes import Rankcast, rankcast
from support.recorded_frames import recorded

STREAM = "rankcast=default=cam"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_server(tmp_path, f'jetstream {{ store_dir: "{tmp_path}/store" }}') as running:
        yield running


def recorder(server: NatsServer | FaultProxy, file: Path, *more: str) -> Rankcast:
    address = server.address.replace("tcp://", "nats://")
    return rankcast(
        "receive", "--connect", address, "--record", str(file), "--durable", "archive",
        "--verbose", *more,
    )  # fmt: skip


def decodable(file: Path) -> tuple[int, int]:
    """Return how many frames of a recording decode, and how many do not."""
    with Recording(file) as recording:
        frames = {frame.sequence for frame in recording}
        return len(frames), recording.lost


def wait_recorded(file: Path, count: int) -> None:
    wait(lambda: len(recorded(file)) >= count, "frames in the recording", 60.0)


def unacknowledged(server: NatsServer) -> int:
    with BareClient(server.port) as client:
        client.subscribe("answer")
        client.publish(f"$JS.API.CONSUMER.INFO.{STREAM}.archive", b"", "answer")
        return int(json.loads(client.message()[1])["num_ack_pending"])


def record_to_the_end(file: Path, camera: KeptCamera) -> None:
    """Let the recorder, which runs or runs again, take all that was sent."""
    camera.finish()
    wait(lambda: recorded(file)[-1:] == camera.sent[-1:], "the last frame", 90.0)


@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_recorder_that_is_killed_again_and_again_loses_no_frame_and_repeats_none(
    server: NatsServer, tmp_path: Path, kills: int
) -> None:
    file = tmp_path / "line.mcap"
    with keeping(server.address) as camera:
        camera.wait_kept()
        for _ in range(kills):
            before = len(recorded(file))
            with recorder(server, file, "--since", "1h") as process:
                wait_recorded(file, before + 40)
                process.signal(signal.SIGKILL)
                process.process.wait()
            camera.wait_sent(20)
        with recorder(server, file) as process:
            wait_recorded(file, len(camera.sent))
            record_to_the_end(file, camera)
            if kills > 1:  # what was delivered to those that were killed comes again after 30 s
                wait(lambda: unacknowledged(server) == 0, "acknowledgements", 60.0)
            process.stop(signal.SIGINT)
    got = recorded(file)
    assert got == camera.sent
    assert decodable(file) == (len(camera.sent), 0)


@pytest.mark.slow
def test_a_new_recorder_begins_with_the_next_frame_whatever_the_stream_has(
    server: NatsServer, tmp_path: Path
) -> None:
    file = tmp_path / "line.mcap"
    with keeping(server.address) as earlier:
        earlier.wait_kept()
        earlier.wait_sent(40)
        earlier.finish()
    with keeping(server.address) as camera:
        camera.wait_sent(20)
        with recorder(server, file) as process:
            wait_recorded(file, 20)
            record_to_the_end(file, camera)
            process.stop(signal.SIGINT)
    got = recorded(file)
    assert got == list(range(got[0], camera.sent[-1] + 1))


def test_nothing_is_acknowledged_before_it_is_recorded(server: NatsServer, tmp_path: Path) -> None:
    file = tmp_path / "line.mcap"
    with keeping(server.address) as camera:
        camera.wait_kept()
        with recorder(server, file) as process:
            wait_recorded(file, 20)
            process.signal(signal.SIGSTOP)
            camera.wait_sent(30)
            time.sleep(0.2)  # what the stopped process had asked for is on its way to it
            assert unacknowledged(server) > 0
            process.signal(signal.SIGCONT)
            record_to_the_end(file, camera)
            process.stop(signal.SIGINT)
    got = recorded(file)
    assert got == list(range(got[0], camera.sent[-1] + 1))


@pytest.mark.slow
def test_a_consumer_that_is_deleted_meanwhile_costs_no_frame(
    server: NatsServer, tmp_path: Path
) -> None:
    file = tmp_path / "line.mcap"
    with keeping(server.address) as camera:
        camera.wait_kept()
        with recorder(server, file) as process:
            wait_recorded(file, 20)
            with BareClient(server.port) as administrator:
                administrator.publish(f"$JS.API.CONSUMER.DELETE.{STREAM}.archive", b"")
                administrator.ping()
            process.wait_line("was deleted")
            camera.wait_sent(20)
            record_to_the_end(file, camera)
            process.stop(signal.SIGINT)
    got = recorded(file)
    assert got == list(range(got[0], camera.sent[-1] + 1))


@pytest.mark.slow
def test_a_name_that_another_consumer_has_ends_the_recorder_with_one_line(
    server: NatsServer, tmp_path: Path
) -> None:
    with keeping(server.address) as camera:
        camera.wait_kept()
        with BareClient(server.port) as administrator:
            config = {"durable_name": "archive", "ack_policy": "none", "deliver_subject": "there"}
            asked = json.dumps({"stream_name": STREAM, "config": config}).encode()
            administrator.subscribe("answer")
            subject = f"$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.archive"
            administrator.publish(subject, asked, "answer")
            administrator.message()
        with recorder(server, tmp_path / "line.mcap") as process:
            assert process.process.wait(60) == 2
    lines = [line for line in process.lines if "the durable name archive" in line]
    assert len(lines) == 1


@pytest.mark.slow
def test_a_recorder_that_is_refused_one_camera_leaves_the_names_of_the_others_at_once(
    server: NatsServer, tmp_path: Path
) -> None:
    with keeping(server.address) as camera, keeping(server.address, name="other") as other:
        camera.wait_kept()
        other.wait_kept()
        file = tmp_path / "line.mcap"
        with recorder(server, tmp_path / "first.mcap", "--camera", "default.cam") as first:
            wait_recorded(tmp_path / "first.mcap", 20)
            with recorder(server, file) as second:
                wait_recorded(file, 20)
                assert second.process.wait(60) == 2
                with BareClient(server.port) as client:
                    client.subscribe("answer")
                    client.publish("$JS.API.CONSUMER.NAMES.rankcast=default=other", b"", "answer")
                    assert json.loads(client.message()[1])["consumers"] == ["archive"]
            first.stop(signal.SIGINT)


@pytest.mark.slow
def test_a_second_recorder_of_one_name_ends_with_one_line_and_the_first_loses_nothing(
    server: NatsServer, tmp_path: Path
) -> None:
    file = tmp_path / "line.mcap"
    with keeping(server.address) as camera:
        camera.wait_kept()
        with recorder(server, file) as first:
            wait_recorded(file, 20)
            with recorder(server, tmp_path / "second.mcap") as second:
                assert second.process.wait(60) == 2
            record_to_the_end(file, camera)
            first.stop(signal.SIGINT)
    lines = [line for line in second.lines if "is held by the recorder of" in line]
    assert f"process {first.process.pid}, since" in lines[-1]
    assert "another name with --durable" in lines[-1]
    assert not [line for line in second.lines if "Traceback" in line]
    got = recorded(file)
    assert got == list(range(got[0], camera.sent[-1] + 1))


@pytest.mark.slow
def test_a_recorder_that_is_cut_off_for_a_moment_keeps_its_name_from_one_that_waits_for_it(
    server: NatsServer, tmp_path: Path
) -> None:
    file = tmp_path / "line.mcap"
    with (
        keeping(server.address) as camera,
        FaultProxy(server.address.removeprefix("nats://")) as way,
    ):
        camera.wait_kept()
        with recorder(way, file) as first:
            wait_recorded(file, 20)
            with recorder(server, tmp_path / "second.mcap") as second:
                second.wait_line("waiting")
                for cuts in range(2, 5):
                    assert way.reset()
                    way.wait_for(lambda counted, cuts=cuts: counted.connections == cuts)
                    wait_recorded(file, len(recorded(file)) + 20)
                assert second.process.wait(60) == 2
            record_to_the_end(file, camera)
            first.stop(signal.SIGINT)
    assert not [line for line in first.lines if "is held by" in line]
    # What a recorder that waits says of a camera that is live.
    said = "\n".join(second.lines)
    assert "stale: the durable name archive" in said, said
    assert not [wrong for wrong in ("no such camera", "network dead") if wrong in said]
    got = recorded(file)
    assert got == list(range(got[0], camera.sent[-1] + 1))


@pytest.mark.slow
def test_the_name_of_a_killed_recorder_is_free_within_seconds_and_of_a_stopped_one_at_once(
    server: NatsServer, tmp_path: Path
) -> None:
    file = tmp_path / "line.mcap"
    with keeping(server.address) as camera:
        camera.wait_kept()
        with recorder(server, file) as first:
            wait_recorded(file, 20)
            first.signal(signal.SIGKILL)
            first.process.wait()
        killed_s = time.monotonic()
        with recorder(server, file) as second:
            wait_recorded(file, len(camera.sent))
            assert time.monotonic() - killed_s < 15.0
            second.stop(signal.SIGINT)
        with recorder(server, file) as third:
            record_to_the_end(file, camera)
            third.stop(signal.SIGINT)
    assert any("waiting" in line for line in second.lines)
    assert not [line for line in third.lines if "is held by" in line]
    got = recorded(file)
    assert got == list(range(got[0], camera.sent[-1] + 1))


@pytest.mark.slow
def test_a_recorder_that_was_stopped_for_long_leaves_the_name_to_its_successor(
    server: NatsServer, tmp_path: Path
) -> None:
    file = tmp_path / "line.mcap"
    with keeping(server.address) as camera:
        camera.wait_kept()
        with recorder(server, tmp_path / "first.mcap") as first:
            wait_recorded(tmp_path / "first.mcap", 20)
            first.signal(signal.SIGSTOP)
            with recorder(server, file) as second:
                wait_recorded(file, 20)
                first.signal(signal.SIGCONT)
                assert first.process.wait(60) == 1
                record_to_the_end(file, camera)
                second.stop(signal.SIGINT)
    assert [line for line in first.lines if f"process {second.process.pid}, since" in line]
    got = recorded(file)
    assert got == list(range(got[0], camera.sent[-1] + 1))
