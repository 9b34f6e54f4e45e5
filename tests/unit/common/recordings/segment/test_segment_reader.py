"""The reader of one file: every damaged byte, every length, and files of other programs."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.writer import CompressionType, Writer

import rankcast
from rankcast.errors import NeedKeyframe, RecordingError, WireError
from rankcast.frame import Pixels
from rankcast.recordings import SegmentReader
from rankcast.recordings.segment import mcap_format as mcap
from rankcast.wire import OFFLINE, Limits
from support.recordings import frames_in, overwrite, packets_of, pictures, record


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, bytes]]]:
    """A small recording of two cameras, one of them predicted, and what is in it."""
    path = tmp_path_factory.mktemp("recorded") / "a.mcap"
    record(
        path,
        {
            "one": packets_of("svd-patch", pictures(3, (16, 16))),
            "two": packets_of("raw", pictures(3, (4, 6))),
        },
    )
    return path, frames_in(path)


def decoded(frames: list[tuple[str, bytes]]) -> dict[tuple[str, bytes], Pixels]:
    """Return the pictures of the packets that can be decoded in this order."""
    decoders = {"one": rankcast.Decoder(), "two": rankcast.Decoder()}
    found = {}
    for camera, packet in frames:
        try:
            found[camera, packet] = decoders[camera].decode(packet).copy()
        except (NeedKeyframe, WireError):
            continue
    return found


def test_a_damaged_byte_anywhere_costs_at_most_one_packet(
    recorded: tuple[Path, list[tuple[str, bytes]]],
) -> None:
    path, sent = recorded
    pictures_sent = decoded(sent)
    for place in range(path.stat().st_size):
        with path.open("rb") as file:
            file.seek(place)
            wrong = bytes((file.read(1)[0] ^ (1 << place % 8),))
        before = overwrite(path, place, wrong)
        found = frames_in(path)
        overwrite(path, place, before)
        assert [one for one in sent if one in found] == found, f"byte {place}"
        assert len(found) >= len(sent) - 1, f"byte {place}"
        if found != sent:
            for frame, pixels in decoded(found).items():
                assert np.array_equal(pixels, pictures_sent[frame])


@settings(max_examples=60)
@given(st.data())
def test_any_damage_leaves_only_frames_that_were_recorded(
    recorded: tuple[Path, list[tuple[str, bytes]]], data: st.DataObject
) -> None:
    path, sent = recorded
    size = path.stat().st_size
    places = data.draw(st.lists(st.tuples(st.integers(8, size - 41), st.binary(max_size=40)),
                                max_size=8))  # fmt: skip
    undo = [(place, overwrite(path, place, junk)) for place, junk in places]
    try:
        found = frames_in(path)
    except RecordingError:
        found = []
    finally:
        for place, before in reversed(undo):
            overwrite(path, place, before)
    assert [one for one in sent if one in found] == found


def test_a_file_that_is_cut_anywhere_has_the_frames_before(
    recorded: tuple[Path, list[tuple[str, bytes]]], tmp_path: Path
) -> None:
    path, sent = recorded
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(path.read_bytes())
    most = len(sent)
    for size in range(path.stat().st_size - 1, 0, -1):
        os.truncate(cut, size)
        with SegmentReader(cut) as reader:
            found = [(one.camera, bytes(one.data)) for one in reader if one.kind == "frames"]
            assert not reader.damage.lost_places, f"{size} bytes"
            assert not reader.complete
        assert found == sent[: len(found)]
        assert most - 1 <= len(found) <= most, f"{size} bytes"
        most = len(found)
    assert most == 0
    os.truncate(cut, 0)
    with pytest.raises(RecordingError, match="is empty, nothing was recorded"):
        SegmentReader(cut)


def test_a_hole_costs_what_was_in_it(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    record(path, {"cam": packets_of("raw", pictures(60, (20, 20)))})
    sent = frames_in(path)
    overwrite(path, 10_000, bytes(5000))
    found = frames_in(path)
    assert [one for one in sent if one in found] == found
    assert len(found) >= len(sent) - 5000 // 560 - 2
    with SegmentReader(path) as reader:
        list(reader)
        assert reader.complete
        assert reader.damage.lost_places == 2  # of the packet before the hole, and in it


@pytest.mark.parametrize("opcode", [*range(17), 0x80, 0xFF])
def test_a_length_is_checked_before_anything_is_allocated(tmp_path: Path, opcode: int) -> None:
    path = tmp_path / "a.mcap"
    record(path, {"cam": packets_of("raw", pictures(2, (4, 6)))})
    sent = frames_in(path)
    content = path.read_bytes()
    at = content.index(b"\x06", 60)
    for length in (2**64 - 1, 2**63, 2**40, len(content)):
        overwrite(path, at, struct.pack("<BQ", opcode, length))
        found = frames_in(path)
        assert found == sent[-len(found) :]
        assert len(found) >= 1


def test_lengths_that_are_wrong_again_and_again_do_not_take_for_ever(tmp_path: Path) -> None:
    """After every packet stands a record that claims what is left of the file."""
    packet = packets_of("raw", pictures(1, (4, 6)))[0]
    message = mcap.record(mcap.Opcode.MESSAGE, mcap.MESSAGE_HEAD.pack(1, 0, 0, 0) + packet)
    record(tmp_path / "a.mcap", {"cam": [packet]})
    with (tmp_path / "a.mcap").open("r+b") as file:
        file.seek(0, os.SEEK_END)
        for left in range(20_000, 0, -1):
            size = left * (len(message) + 9) - 9
            file.write(struct.pack("<BQ", mcap.Opcode.ATTACHMENT, size) + message)
    start_s = time.process_time()
    with SegmentReader(tmp_path / "a.mcap") as reader:
        found = sum(1 for _ in reader)
    assert time.process_time() - start_s < 10
    assert reader.damage.lost_places
    assert 0 < found < 20_000


def test_packets_beyond_the_limits_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    record(path, {"cam": packets_of("raw", pictures(2, (300, 300)))})
    with SegmentReader(path, Limits(max_packet_bytes=1000)) as reader:
        assert list(reader) == []
        assert reader.damage
    assert OFFLINE.max_packet_bytes > 90_000


def foreign(path: Path, **options: object) -> Path:
    with path.open("wb") as file:
        writer = Writer(file, **options)  # type: ignore[arg-type]
        writer.start("ros2")
        channel = writer.register_channel("/imu", "cdr", 0)
        for number in range(3):
            writer.add_message(channel, number, bytes(100), number)
        writer.finish()
    return path


@pytest.mark.parametrize("chunked", [True, False])
def test_a_file_of_another_program_is_named_as_such(tmp_path: Path, chunked: bool) -> None:
    path = foreign(tmp_path / "imu.mcap", compression=CompressionType.NONE, use_chunking=chunked)
    with SegmentReader(path) as reader, pytest.raises(RecordingError) as caught:
        list(reader)
    assert "is an MCAP file of another program, with topic /imu" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_compressed_chunks_are_refused_with_the_command_that_converts_them(tmp_path: Path) -> None:
    path = foreign(tmp_path / "imu.mcap")
    with SegmentReader(path) as reader, pytest.raises(RecordingError, match="`mcap decompress`"):
        list(reader)


def test_packets_of_a_later_version_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=1, compression=CompressionType.NONE)
        writer.start("rankcast")
        channel = writer.register_channel("cam/frames", "rankcast/3", 0)
        writer.add_message(channel, 1, bytes(100), 1)
        writer.finish()
    with SegmentReader(path) as reader, pytest.raises(RecordingError, match="update this end"):
        list(reader)


def test_messages_that_another_program_has_rewritten_are_read(tmp_path: Path) -> None:
    """Several in a chunk, and channels that are stated once."""
    packets = packets_of("raw", pictures(5, (4, 6)))
    path = tmp_path / "a.mcap"
    with path.open("wb") as file:
        writer = Writer(file, 300, compression=CompressionType.NONE)
        writer.start("rankcast")
        imu = writer.register_channel("/imu", "cdr", 0)
        channel = writer.register_channel("cam/frames", "rankcast/2", 0)
        for number, packet in enumerate(packets):
            writer.add_message(imu, number, bytes(10), number)
            writer.add_message(channel, number, packet, number, number)
        writer.finish()
    assert frames_in(path) == [("cam", packet) for packet in packets]
    sent = path.read_bytes()
    overwrite(path, sent.index(packets[2]) + 30, bytes([packets[2][30] ^ 0xFF]))
    assert frames_in(path) == [("cam", packet) for packet in packets if packet != packets[2]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty, nothing was recorded"),
        (b"not an MCAP file at all", "is no recording: it begins with"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=message):
        SegmentReader(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be read: No such file"):
        SegmentReader(tmp_path / "none.mcap")
    with pytest.raises(RecordingError):
        SegmentReader(tmp_path)
    os.mkfifo(tmp_path / "fifo.mcap")
    with pytest.raises(RecordingError, match="is not a regular file"):
        SegmentReader(tmp_path / "fifo.mcap")
