"""BlackBox: records what is published, and never holds up the stream."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rankcast.encoder import EncodedPacket, Encoder
from rankcast.errors import RankcastError
from rankcast.recorder import Recorder
from rankcast.recordings.segment import segment_file
from rankcast.runtime import SINK, packet_backlog
from rankcast.settings import RecordTable
from rankcast.wire import Kind, Status, pack_status
from rankcast_sender.black_box import BlackBox
from rankcast_sender.camera import Camera, StreamOptions
from support.recordings import frames_of, messages_of, pictures

WAIT_S = 10.0


def packets(count: int) -> list[EncodedPacket]:
    encoder = Encoder("svd-patch")
    return [encoder.encode_packet(picture) for picture in pictures(count)]


def started(
    path: Path, names: tuple[str, ...] = ("cam",), **settings: Any
) -> tuple[BlackBox, list[Camera]]:
    box = BlackBox(RecordTable(file=str(path), **settings))
    cameras = [Camera(StreamOptions(name, "svd-patch")) for name in names]
    for camera in cameras:
        box.add(camera)
    box.start()
    return box, cameras


def offer(camera: Camera, made: list[EncodedPacket]) -> None:
    assert camera.tape is not None
    for packet in made:
        camera.tape.offer(packet)


def test_packets_of_all_cameras_are_recorded_verbatim(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    box, (left, right) = started(path, ("left", "right"))
    one, two = packets(6), packets(4)
    offer(left, one)
    offer(right, two)
    box.close(WAIT_S)
    assert frames_of(path) == {
        "left": [packet.data for packet in one], "right": [packet.data for packet in two],
    }  # fmt: skip
    assert left.tape is not None
    assert (left.tape.recorded, left.tape.lost) == (6, {})
    assert left.status().recorded == 6


def test_a_recorder_counts_as_a_viewer(tmp_path: Path) -> None:
    camera = Camera(StreamOptions("cam", "svd-patch"))
    assert not camera.watched
    box = BlackBox(RecordTable(file=str(tmp_path / "a.mcap")))
    box.add(camera)
    assert camera.watched
    assert camera.viewers == 0
    box.close()


def test_the_end_is_recorded_once_however_often_it_is_published(tmp_path: Path) -> None:
    box, (camera,) = started(tmp_path / "a.mcap")
    assert camera.tape is not None
    for kind in (Kind.STATUS, Kind.STATUS, Kind.END, Kind.END, Kind.END):
        camera.tape.note(pack_status(kind, camera.stream_id, Status(), 1, 2))
    box.close(WAIT_S)
    kinds = [m.data[8] for m in messages_of(tmp_path / "a.mcap") if m.kind == "status"]
    assert kinds == [Kind.STATUS, Kind.STATUS, Kind.END]


def test_a_disk_that_is_too_slow_costs_frames_of_the_recording_and_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packet_backlog, "LIVE_PACKETS", 4)
    busy, go_on = threading.Event(), threading.Event()
    write: Callable[..., int] = segment_file._write

    def slow(file: int, parts: tuple[Any, ...]) -> int:
        if threading.current_thread().name == "rankcast-record" and box._opened.is_set():
            busy.set()
            assert go_on.wait(WAIT_S)
        return write(file, parts)

    box, (camera,) = started(tmp_path / "a.mcap")
    monkeypatch.setattr(segment_file, "_write", slow)
    made = packets(12)
    offer(camera, made[:1])
    assert busy.wait(WAIT_S)
    offer(camera, made[1:])  # returns although the disk does not
    assert camera.tape is not None
    assert camera.tape.lost == {SINK: 7}
    go_on.set()
    box.close(WAIT_S)
    assert frames_of(tmp_path / "a.mcap") == {"cam": [made[0].data]}
    assert camera.tape.recorded == 1
    assert sum(camera.tape.lost.values()) == 11


def test_a_disk_that_hangs_at_the_end_is_named_and_every_frame_is_accounted_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    write: Callable[..., int] = segment_file._write

    def hang(file: int, parts: tuple[Any, ...]) -> int:
        go_on.wait(WAIT_S)
        return write(file, parts)

    box, (camera,) = started(tmp_path / "a.mcap")
    monkeypatch.setattr(segment_file, "_write", hang)
    offer(camera, packets(3))
    with pytest.raises(RankcastError, match=r"writing .*a\.mcap"):
        box.close(0.4)
    assert camera.tape is not None
    assert sum(camera.tape.lost.values()) == 3
    go_on.set()  # the disk comes back, after the report
    box._worker.join(WAIT_S)
    assert sum(camera.tape.lost.values()) + camera.tape.recorded == 3
    assert box._tapes["cam"].ledger.balance().under_way == 0


def test_a_recording_that_cannot_be_created_keeps_the_sender_from_starting(tmp_path: Path) -> None:
    box = BlackBox(RecordTable(file=str(tmp_path / "absent" / "a.mcap")))
    with pytest.raises(RankcastError, match=r"absent"):
        box.start()
    with pytest.raises(RankcastError, match=r"absent"):
        box.close(WAIT_S)


def test_an_event_is_recorded_on_request(tmp_path: Path) -> None:
    box, (camera,) = started(tmp_path / "a.mcap", pre_s=60.0, post_s=60.0)
    offer(camera, packets(5))
    assert box.triggers is not None
    box.triggers.pull("door")
    box.close(WAIT_S)
    (file,) = tmp_path.iterdir()
    assert file.name.endswith("-door.mcap")
    assert camera.tape is not None
    assert camera.tape.recorded == len(frames_of(file)["cam"]) == 5


def test_a_recording_that_ends_early_is_told_once_and_fails_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RankcastError("the recorder is broken")

    box, (camera,) = started(tmp_path / "a.mcap")
    box.check()
    assert caplog.messages == []
    monkeypatch.setattr(Recorder, "idle", fail)
    offer(camera, packets(1))
    assert box._ended.wait(WAIT_S)
    box._worker._thread.join(WAIT_S)
    offer(camera, packets(2))  # the stream goes on
    box.check()
    box.check()
    (line,) = caplog.messages
    assert "has ended: the recorder is broken; the stream goes on without it" in line
    with pytest.raises(RankcastError, match="the recorder is broken"):
        box.close(WAIT_S)
    assert camera.tape is not None
    assert sum(camera.tape.lost.values()) == 3
