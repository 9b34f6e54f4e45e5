"""Repair: what is salvaged, what is kept, and what is left alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import SeekingReader

from rankcast.errors import RecordingError
from rankcast.recordings import RecordingWriter, SegmentReader, repair_segment
from support.recordings import frames_in, messages_of, overwrite, packets_of, pictures, record


def recording(path: Path, count: int = 12) -> list[tuple[str, bytes]]:
    record(path, {"one": packets_of("raw", pictures(count, (4, 6))),
                  "two": packets_of("svd-patch", pictures(count, (16, 16)), group=4)})  # fmt: skip
    return frames_in(path)


def assert_sound(path: Path, frames: list[tuple[str, bytes]]) -> None:
    with SegmentReader(path) as reader:
        found = [(one.camera, bytes(one.data)) for one in reader if one.kind == "frames"]
        assert (reader.complete, bool(reader.damage)) == (True, False)
    assert found == frames
    with path.open("rb") as file:
        public = SeekingReader(file, validate_crcs=True)
        assert sum(1 for _ in public.iter_messages()) >= len(frames)


def test_a_sound_recording_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    sent = recording(path)
    before = path.read_bytes()
    report = repair_segment(path)
    assert (report.kept, report.lost, report.frames) == (None, False, len(sent))
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["a.mcap"]


def test_a_killed_recording_gets_its_index_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    sent = recording(path)
    with SegmentReader(path) as reader:
        offsets = [one.offset for one in reader]
        run = reader.run
    os.truncate(path, offsets[-1])  # before the last message, as if it had never been
    messages = [(one.camera, one.kind, one.sequence, one.t_recorded_ns, one.t_capture_ns)
                for one in messages_of(path)]  # fmt: skip
    before = path.read_bytes()
    os.utime(path, (1_700_000_000, 1_700_000_000))
    report = repair_segment(path)
    assert (report.lost, report.frames, report.kept) == (False, len(sent), Path(f"{path}.damaged"))
    assert (tmp_path / "a.mcap.damaged").read_bytes() == before
    assert_sound(path, sent)
    assert path.stat().st_mtime == 1_700_000_000
    assert messages == [
        (one.camera, one.kind, one.sequence, one.t_recorded_ns, one.t_capture_ns)
        for one in messages_of(path)
    ]
    with SegmentReader(path) as reader:
        next(iter(reader))
        assert reader.run == run


def test_a_repair_finds_packets_whose_camera_only_the_rest_of_the_file_tells(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.mcap"
    sent = recording(path)
    first = next(one for one in messages_of(path) if one.camera == "two")
    name_at = path.read_bytes().index(b"two/frames", first.offset)
    overwrite(path, name_at, b"TWO")  # no name of a camera
    assert len(frames_in(path)) == len(sent) - 1
    assert repair_segment(path).frames == len(sent)
    assert_sound(path, sent)


def test_a_torn_tail_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    sent = recording(path)
    with SegmentReader(path) as reader:
        last = [one.offset for one in reader if one.kind == "frames"][-1]
    os.truncate(path, last + 100)
    report = repair_segment(path)
    assert (report.damage.torn_bytes, report.damage.count, report.lost) == (100, 0, True)
    assert_sound(path, sent[:-1])


@settings(max_examples=40)
@given(place=st.integers(0, 10**9), wrong=st.integers(1, 255))
def test_a_damaged_byte_costs_a_repaired_file_at_most_one_packet(
    tmp_path_factory: pytest.TempPathFactory, place: int, wrong: int
) -> None:
    path = tmp_path_factory.mktemp("repair") / "a.mcap"
    sent = recording(path, 3)
    place %= path.stat().st_size
    byte = path.read_bytes()[place] ^ wrong
    overwrite(path, place, bytes((byte,)))
    report = repair_segment(path)
    found = frames_in(path)
    assert [one for one in sent if one in found] == found
    assert len(found) == report.frames >= len(sent) - 1
    if len(found) < len(sent):
        assert report.lost
    assert_sound(path, found)
    # A repaired file is sound for good.
    assert repair_segment(path).kept is None


def test_a_file_whose_beginning_is_gone_is_salvaged(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    sent = recording(path)
    overwrite(path, 0, bytes(300))
    with pytest.raises(RecordingError, match="is no recording"):
        SegmentReader(path)
    report = repair_segment(path)
    assert report.frames >= len(sent) - 2
    assert_sound(path, sent[-report.frames :])


def test_every_repair_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    recording(path)
    for name in ("a.mcap.damaged", "a.mcap.damaged2"):
        overwrite(path, 500, b"\xff\xff")
        assert repair_segment(path).kept == tmp_path / name
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "a.mcap", "a.mcap.damaged", "a.mcap.damaged2",
    ]  # fmt: skip


def test_a_recorder_killed_before_its_first_frame_leaves_an_empty_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    RecordingWriter(path).close()
    os.truncate(path, 190)
    report = repair_segment(path)
    assert (report.frames, report.lost) == (0, False)
    assert_sound(path, [])


@pytest.mark.parametrize("content", [b"", b"x" * 5000, b"\x89MCAP0\r\n" + b"y" * 5000])
def test_a_file_with_nothing_in_it_is_refused_and_left_alone(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"a\.mcap: (is empty|nothing in it can be read)"):
        repair_segment(path)
    assert path.read_bytes() == content
    assert [one.name for one in tmp_path.iterdir()] == ["a.mcap"]


def test_a_segment_that_is_being_written_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with RecordingWriter(path) as writer:
        writer.write("cam", packets_of("raw", pictures(1))[0])
        with pytest.raises(RecordingError, match="is being recorded: stop its recorder first"):
            repair_segment(path)
    assert repair_segment(path).kept is None
