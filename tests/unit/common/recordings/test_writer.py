"""The writer: what is recorded, in which segment, and what is refused."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

import rankcast
from rankcast.errors import NeedKeyframe, RecordingError, SettingsError, WireError
from rankcast.recordings import (
    RecordingLimits,
    RecordingOptions,
    RecordingWriter,
    SegmentReader,
    segments_of,
)
from rankcast.wire import Kind, Status, pack_status, unpack
from support.recordings import frames_of, messages_of, packets_of, pictures, record


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def names(path: Path) -> list[str]:
    return [segment.name for _, segment in segments_of(path)]


def test_packets_are_recorded_verbatim_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    sent = {name: packets_of("svd-patch", pictures(6)) for name in ("cam1", "cam2")}
    record(path, sent)
    assert frames_of(path) == sent
    assert names(path) == ["a.mcap"]


def test_a_message_has_the_times_and_the_sequence_of_its_packet(tmp_path: Path) -> None:
    packets = packets_of("svd-patch", pictures(3))
    record(tmp_path / "a.mcap", {"cam": packets})
    decoder = rankcast.Decoder()
    before_ns = 0
    for number, message in enumerate(messages_of(tmp_path / "a.mcap")[:3]):
        header = decoder.complete(unpack(message.data)).header
        decoder.decode(message.data)
        assert (message.kind, message.sequence) == ("frames", number)
        assert message.t_capture_ns == header.t_capture_utc_ns
        assert message.t_recorded_ns > before_ns
        before_ns = message.t_recorded_ns
        assert message.is_start == (header.kind is Kind.KEY)
        assert message.stream_id == header.stream_id


def test_status_and_ledger_have_topics_of_their_own(tmp_path: Path) -> None:
    status = pack_status(Kind.STATUS, bytes(8), Status(published=3), 5, 6)
    with RecordingWriter(tmp_path / "a.mcap") as writer:
        writer.write("cam", status)
        writer.write("cam", packets_of("raw", pictures(1))[0])
        writer.lose("cam", "sink", 2)
        assert writer.losses("cam") == {"sink": 2}
        assert writer.recorded == 1
    first, _, last = messages_of(tmp_path / "a.mcap")
    assert (first.kind, bytes(first.data), first.t_capture_ns) == ("status", status, 6)
    assert last.kind == "ledger"
    assert json.loads(bytes(last.data)) == {
        "recorded": 1, "lost": {"sink": 2}, "clock_ahead_ms": 0,
    }  # fmt: skip


def test_the_file_has_its_final_name_and_is_readable_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    packet = packets_of("raw", pictures(1))[0]
    with RecordingWriter(path) as writer:
        assert path.stat().st_size == writer.open_bytes > 0
        writer.write("cam", packet)
        assert frames_of(path) == {"cam": [packet]}
        with SegmentReader(path) as reader:
            assert len(list(reader)) == 1
            assert not reader.complete
            assert not reader.damage


def test_a_segment_ends_at_a_key_frame_after_its_size(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    packets = packets_of("svd-patch", pictures(30, (64, 64)), group=5)
    record(path, {"cam": packets}, RecordingOptions(segment_bytes=2500))
    assert len(names(path)) > 2
    assert names(path)[:2] == ["a.mcap", "a-0001.mcap"]
    assert frames_of(path) == {"cam": packets}
    for _, segment in segments_of(path):
        with SegmentReader(segment) as reader:
            assert next(iter(reader)).is_start


def test_a_segment_ends_after_its_time(tmp_path: Path) -> None:
    clock = Clock()
    options = RecordingOptions(segment_s=10)
    with RecordingWriter(tmp_path / "a.mcap", options, now_s=clock) as writer:
        for packet in packets_of("raw", pictures(4)):
            clock.now_s += 6
            writer.write("cam", packet)
    assert names(tmp_path / "a.mcap") == ["a.mcap", "a-0001.mcap", "a-0002.mcap"]


def test_each_camera_goes_over_to_the_next_segment_at_its_own_key_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    clock = Clock()
    one = packets_of("svd-patch", pictures(12), group=4)
    two = packets_of("svd-patch", pictures(12), group=6)
    with RecordingWriter(path, RecordingOptions(segment_s=10), now_s=clock) as writer:
        for first, second in zip(one, two, strict=True):
            clock.now_s += 3
            writer.write("one", first)
            writer.write("two", second)
    assert frames_of(path) == {"one": one, "two": two}
    for _, segment in segments_of(path):
        with SegmentReader(segment) as reader:
            begun: set[str] = set()
            for message in reader:
                if message.kind == "frames":
                    assert message.is_start or message.camera in begun
                    begun.add(message.camera)
    times = [message.t_recorded_ns for message in messages_of(path)]
    assert times == sorted(times)


def test_predicted_frames_wait_for_a_key_frame(tmp_path: Path) -> None:
    packets = packets_of("svd-patch", pictures(6), group=4)
    with RecordingWriter(tmp_path / "a.mcap") as writer:
        assert writer.wants_start("cam")
        with pytest.raises(NeedKeyframe, match="frame 1 of cam is predicted"):
            writer.write("cam", packets[1])
        writer.write("cam", packets[4])
        assert not writer.wants_start("cam")
        writer.write("cam", packets[5])
        assert writer.recorded == 2


def test_a_reference_packet_begins_a_segment(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    clock = Clock()
    images = pictures(6)
    packets = packets_of("svd-patch", images)
    decoder = rankcast.Decoder()
    with RecordingWriter(path, RecordingOptions(segment_s=10), now_s=clock) as writer:
        for packet in packets[:3]:
            writer.write("cam", packet)
            shown = decoder.decode(packet)
        clock.now_s += 11
        assert writer.wants_start("cam")
        writer.write("cam", decoder.reference_packet())
        assert not writer.wants_start("cam")
        for packet in packets[3:]:
            writer.write("cam", packet)
            shown = decoder.decode(packet)
        assert writer.recorded == 6
    with SegmentReader(tmp_path / "a-0001.mcap") as reader:
        alone = rankcast.Decoder()
        for message in reader:
            if message.kind == "frames":
                last = alone.decode(message.data)
    assert (last == shown).all()


def test_a_recording_that_exists_is_continued(tmp_path: Path) -> None:
    packets = packets_of("raw", pictures(4))
    record(tmp_path / "a.mcap", {"cam": packets[:2]})
    before = (tmp_path / "a.mcap").read_bytes()
    record(tmp_path / "a.mcap", {"cam": packets[2:]})
    assert (tmp_path / "a.mcap").read_bytes() == before
    assert names(tmp_path / "a.mcap") == ["a.mcap", "a-0001.mcap"]
    assert frames_of(tmp_path / "a.mcap") == {"cam": packets}


def test_frames_are_durable_once_the_disk_has_them(tmp_path: Path) -> None:
    options = RecordingOptions(sync_frames=2)
    with RecordingWriter(tmp_path / "a.mcap", options) as writer:
        seen = []
        for packet in packets_of("raw", pictures(5)):
            writer.write("cam", packet)
            seen.append((writer.recorded, writer.durable))
    assert seen == [(1, 0), (2, 2), (3, 2), (4, 4), (5, 4)]
    assert writer.durable == 5


def test_after_a_failed_sync_a_new_segment_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with RecordingWriter(tmp_path / "a.mcap", RecordingOptions(sync_frames=2)) as writer:
        packets = packets_of("raw", pictures(5))
        writer.write("cam", packets[0])
        monkeypatch.setattr(os, "fdatasync", fail)
        writer.write("cam", packets[1])
        monkeypatch.undo()
        assert (writer.durable, writer.fault) == (
            0, f"{tmp_path}/a.mcap: the disk may have lost frames: OSError: [Errno 5] "
            "Input/output error",
        )  # fmt: skip
        writer.write("cam", packets[2])
        assert writer.segment == tmp_path / "a-0001.mcap"
        writer.write("cam", packets[3])
        # Those of the first segment are never called durable again.
        assert (writer.recorded, writer.durable) == (4, 2)


def test_a_full_disk_costs_frames_and_recording_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mcap"
    clock = Clock()
    packets = packets_of("svd-patch", pictures(12), group=4)
    whole = os.writev

    def half(file: int, parts: Any) -> int:
        return os.write(file, b"".join(parts)[:40])

    def full(_file: int, _data: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with RecordingWriter(path, now_s=clock) as writer:
        writer.write("cam", packets[0])
        size = writer.open_bytes
        # A part of the message is written before the disk is full.
        monkeypatch.setattr(os, "writev", half)
        real, calls = os.write, []

        def first_only(file: int, data: Any) -> int:
            calls.append(1)
            return real(file, data) if len(calls) == 1 else full(file, data)

        monkeypatch.setattr(os, "write", first_only)
        with pytest.raises(RecordingError, match=r"a\.mcap: cannot be written: .* free some space"):
            writer.write("cam", packets[1])
        monkeypatch.setattr(os, "writev", full)
        with pytest.raises(NeedKeyframe):
            writer.write("cam", packets[2])
        with pytest.raises(RecordingError, match="No space left"):  # no new try at once
            writer.write("cam", packets[4])
        clock.now_s += 2
        with pytest.raises(RecordingError, match=r"a-0001\.mcap: cannot be written: No space"):
            writer.write("cam", packets[4])
        assert names(path) == ["a.mcap"]
        assert writer.segment is None
        monkeypatch.setattr(os, "writev", whole)
        monkeypatch.setattr(os, "write", real)
        clock.now_s += 2
        for packet in packets[8:]:
            writer.write("cam", packet)
    assert path.stat().st_size == size
    assert names(path) == ["a.mcap", "a-0001.mcap"]
    assert frames_of(path) == {"cam": [packets[0], *packets[8:]]}


def test_what_cannot_be_recorded_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"want a name that ends in \.mcap"):
        RecordingWriter(tmp_path / "a.mkv")
    with pytest.raises(RecordingError, match=r"none/a\.mcap: its folder does not exist"):
        RecordingWriter(tmp_path / "none" / "a.mcap")
    with pytest.raises(SettingsError, match="sizes above 0"):
        RecordingOptions(segment_bytes=0)
    with pytest.raises(SettingsError, match="want segments of at most half the limit"):
        RecordingOptions(limits=RecordingLimits(max_bytes=10**9))
    with RecordingWriter(tmp_path / "a.mcap") as writer:
        with pytest.raises(WireError):
            writer.write("cam", b"no packet")
        with pytest.raises(SettingsError, match="got camera name 'a/b'"):
            writer.write("a/b", packets_of("raw", pictures(1))[0])


def test_a_segment_of_twice_its_age_ends_without_a_key_frame(tmp_path: Path) -> None:
    clock = Clock()
    packets = packets_of("svd-patch", pictures(12), group=8)
    with RecordingWriter(
        tmp_path / "a.mcap", RecordingOptions(segment_s=10), now_s=clock
    ) as writer:
        for packet in packets[:5]:
            writer.write("cam", packet)
            clock.now_s += 4.5
        clock.now_s += 4.5
        assert writer.wants_start("cam")
        for packet in packets[5:8]:
            with pytest.raises(NeedKeyframe):
                writer.write("cam", packet)
        for packet in packets[8:]:
            writer.write("cam", packet)
        assert writer.segment == tmp_path / "a-0001.mcap"
    assert frames_of(tmp_path / "a.mcap") == {"cam": packets[:5] + packets[8:]}


def test_a_silent_camera_does_not_keep_the_old_segment_open(tmp_path: Path) -> None:
    clock = Clock()
    packets = packets_of("svd-patch", pictures(4), group=4)
    keys = packets_of("raw", pictures(100))
    with RecordingWriter(
        tmp_path / "a.mcap", RecordingOptions(segment_s=50), now_s=clock
    ) as writer:
        writer.write("silent", packets[0])
        for key in keys[:51]:
            writer.write("cam", key)
            clock.now_s += 1
        writer.write("silent", packets[1])  # in the old segment, with what it builds on
        assert len(writer._open) == 2
        clock.now_s += 30
        writer.write("cam", keys[51])
        assert len(writer._open) == 2
        clock.now_s += 40
        writer.idle()
        assert len(writer._open) == 1
        with pytest.raises(NeedKeyframe):
            writer.write("silent", packets[2])
        clock.now_s += 1
    found = frames_of(tmp_path / "a.mcap")
    assert found == {"silent": packets[:2], "cam": keys[:52]}


def test_a_camera_whose_sender_starts_again_begins_with_a_key_frame(tmp_path: Path) -> None:
    first = packets_of("svd-patch", pictures(3))
    second = packets_of("svd-patch", pictures(3))
    with RecordingWriter(tmp_path / "a.mcap") as writer:
        for packet in first:
            writer.write("cam", packet)
        with pytest.raises(NeedKeyframe):
            writer.write("cam", second[1])
        for packet in second:
            writer.write("cam", packet)
    assert frames_of(tmp_path / "a.mcap") == {"cam": first + second}


def test_the_free_space_to_keep_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mcap"
    clock = Clock()
    free = 10_000
    monkeypatch.setattr("rankcast.recordings.retention._free_bytes", lambda _: free)
    limits = RecordingLimits(min_free_bytes=5000)
    packets = packets_of("raw", pictures(6))
    with RecordingWriter(path, RecordingOptions(limits=limits), now_s=clock) as writer:
        writer.write("cam", packets[0])
        free = 4000
        clock.now_s += 2
        with pytest.raises(RecordingError, match="1000 bytes of the 5000 that are to stay free"):
            writer.write("cam", packets[1])
        with pytest.raises(RecordingError, match="that are to stay free"):
            writer.write("cam", packets[2])
        assert names(path) == ["a.mcap"]
        clock.now_s += 2
        writer.write("cam", packets[3])  # the segment that ended gives enough
        assert names(path) == ["a-0001.mcap"]
        free = 4900
        clock.now_s += 2
        with pytest.raises(RecordingError, match="100 bytes of the 5000"):
            writer.write("cam", packets[4])
        free = 5000
        clock.now_s += 2
        writer.write("cam", packets[5])
    assert frames_of(path) == {"cam": [packets[3], packets[5]]}
