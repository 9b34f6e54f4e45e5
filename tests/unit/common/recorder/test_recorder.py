"""Recorder: nothing undecodable is recorded, and a disk that comes back is used again."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

import rankcast
from rankcast.recorder import Recorder
from rankcast.recordings import RecordingOptions, RecordingWriter, SegmentReader, segments_of
from rankcast.runtime import NETWORK_GAP, SINK, WAITING_FOR_KEYFRAME
from rankcast.wire import Kind, Status, pack_status, unpack
from support.recorders import Asked, Clock, FakeDisk, offer
from support.recordings import frames_of, messages_of, packets_of, pictures


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FakeDisk:
    return FakeDisk(monkeypatch)


def ledger_of(path: Path) -> dict[str, object]:
    ledger = [message for message in messages_of(path) if message.kind == "ledger"][-1]
    values = json.loads(bytes(ledger.data))
    assert isinstance(values, dict)
    return values


def decodes(packets: list[bytes]) -> int:
    decoder = rankcast.Decoder()
    return len([decoder.decode(packet) for packet in packets])


def test_every_packet_is_recorded_with_status_and_losses(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    packets = packets_of("svd-patch", pictures(5))
    status = pack_status(Kind.STATUS, bytes(8), Status(published=3), 5, 6)
    recorder = Recorder(RecordingWriter(path))
    assert offer(recorder, "cam", packets) == ["ok"] * 5
    assert offer(recorder, "cam", [status]) == ["ok"]
    recorder.lose("cam", NETWORK_GAP, 7)
    assert recorder.recorded == 5
    recorder.close()
    assert frames_of(path) == {"cam": packets}
    assert [bytes(m.data) for m in messages_of(path) if m.kind == "status"] == [status]
    assert ledger_of(path)["lost"] == {NETWORK_GAP: 7}


def test_after_a_lost_frame_nothing_is_recorded_before_the_next_key_frame(tmp_path: Path) -> None:
    path, asked, clock = tmp_path / "a.mcap", Asked(), Clock()
    packets = packets_of("svd-patch", pictures(12), group=6)
    recorder = Recorder(RecordingWriter(path), asked, now_s=clock)
    assert offer(recorder, "cam", packets[:2]) == ["ok"] * 2
    assert asked.take() == []
    assert offer(recorder, "cam", packets[3:6]) == ["waits"] * 3
    assert asked.take() == [("cam", True)]
    clock.now_s += 1.5
    recorder.idle()
    assert asked.take() == [("cam", True)]
    assert offer(recorder, "cam", packets[6:]) == ["ok"] * 6
    assert asked.take() == [("cam", False)]
    recorder.close()
    kept = [*packets[:2], *packets[6:]]
    assert frames_of(path) == {"cam": kept}
    assert decodes(kept) == 8
    assert ledger_of(path)["lost"] == {WAITING_FOR_KEYFRAME: 3}


def test_a_frame_that_no_other_needs_may_be_lost(tmp_path: Path) -> None:
    encoder = rankcast.Encoder("svd-patch", refs=2)
    packets = [encoder.encode(picture) for picture in pictures(9)]
    referred = {unpack(packet).header.ref_sequence for packet in packets}
    (spare, *_) = [number for number in range(1, 8) if number not in referred]
    path = tmp_path / "a.mcap"
    recorder = Recorder(RecordingWriter(path))
    kept = [packet for number, packet in enumerate(packets) if number != spare]
    assert offer(recorder, "cam", kept) == ["ok"] * 8
    recorder.close()
    assert decodes(frames_of(path)["cam"]) == 8


def test_a_stream_that_begins_anew_starts_with_its_key_frame(tmp_path: Path) -> None:
    first, second = (packets_of("svd-patch", pictures(3)) for _ in range(2))
    recorder = Recorder(RecordingWriter(tmp_path / "a.mcap"))
    assert offer(recorder, "cam", first) == ["ok"] * 3
    assert offer(recorder, "cam", second[1:]) == ["waits"] * 2
    assert offer(recorder, "cam", second[:1]) == ["ok"]
    recorder.close()


def test_a_full_disk_costs_frames_and_recording_goes_on_in_a_new_file(
    tmp_path: Path, disk: FakeDisk
) -> None:
    path, asked, clock = tmp_path / "a.mcap", Asked(), Clock()
    packets = packets_of("svd-patch", pictures(20), group=5)
    writer = RecordingWriter(path, now_s=clock)
    recorder = Recorder(writer, asked, now_s=clock, free=disk.free)
    assert offer(recorder, "cam", packets[:2]) == ["ok"] * 2
    disk.full = True
    assert offer(recorder, "cam", packets[2:5]) == ["full", "waits", "waits"]
    clock.now_s += 5
    recorder.idle()
    assert offer(recorder, "cam", packets[5:7]) == ["full", "waits"]
    assert asked.take() == [], "a key frame would not fit either"
    disk.full = False
    clock.now_s += 5
    recorder.idle()
    assert asked.take() == [("cam", True)]
    assert offer(recorder, "cam", packets[10:]) == ["ok"] * 10
    assert asked.take() == [("cam", False)]
    assert recorder.recorded == 12
    recorder.close()
    kept = [*packets[:2], *packets[10:]]
    assert frames_of(path) == {"cam": kept}
    assert decodes(kept) == 12
    assert [segment.name for _, segment in segments_of(path)] == ["a.mcap", "a-0001.mcap"]
    assert ledger_of(path)["lost"] == {SINK: 2, WAITING_FOR_KEYFRAME: 3}


def test_a_disk_that_only_claims_to_have_room_is_asked_more_and_more_rarely(
    tmp_path: Path, disk: FakeDisk
) -> None:
    asked, clock = Asked(), Clock()
    packets = packets_of("raw", pictures(3))
    recorder = Recorder(
        RecordingWriter(tmp_path / "a.mcap", now_s=clock), asked, now_s=clock, free=disk.free
    )
    offer(recorder, "cam", packets[:1])
    disk.full, disk.claims = True, 1 << 40
    tries_s: list[float] = []
    for _ in range(3000):
        clock.now_s += 0.1
        recorder.idle()
        if ("cam", True) in asked.take():
            tries_s.append(clock.now_s)
            assert offer(recorder, "cam", packets[1:2]) == ["full"]
    pauses_s = [after - before for before, after in itertools.pairwise(tries_s)]
    assert 5 <= len(tries_s) <= 12
    assert max(pauses_s) >= 55
    disk.full = False
    assert offer(recorder, "cam", packets[2:]) == ["ok"]
    recorder.close()


def test_every_segment_begins_with_a_key_frame_that_is_asked_for(tmp_path: Path) -> None:
    path, asked, clock = tmp_path / "a.mcap", Asked(), Clock()
    writer = RecordingWriter(path, RecordingOptions(segment_s=10), now_s=clock)
    recorder = Recorder(writer, asked, now_s=clock)
    encoder = rankcast.Encoder("svd-patch")
    made = []
    for picture in pictures(30):
        if ("cam", True) in asked.take():
            encoder.request_keyframe()
        made.append(encoder.encode(picture))
        assert offer(recorder, "cam", made[-1:]) == ["ok"]
        clock.now_s += 2
    recorder.close()
    assert frames_of(path) == {"cam": made}
    segments = segments_of(path)
    assert len(segments) >= 4
    for _, segment in segments:
        with SegmentReader(segment) as reader:
            assert next(iter(reader)).is_start
