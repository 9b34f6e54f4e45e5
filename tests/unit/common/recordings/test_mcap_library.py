"""Recordings open in the public reader of MCAP, with index, times and metadata."""

from __future__ import annotations

from pathlib import Path

from mcap.reader import NonSeekingReader, SeekingReader
from mcap.stream_reader import StreamReader

from rankcast.recordings import RecordingOptions, RecordingWriter, segments_of
from support.recordings import messages_of, packets_of, pictures, record


def test_every_message_is_found_by_the_index(tmp_path: Path) -> None:
    packets = packets_of("svd-patch", pictures(20), group=5)
    record(tmp_path / "a.mcap", {"one": packets, "two": packets}, RecordingOptions(8000))
    found = []
    for number, segment in segments_of(tmp_path / "a.mcap"):
        with segment.open("rb") as file:
            reader = SeekingReader(file, validate_crcs=True)
            summary = reader.get_summary()
            assert summary is not None
            assert summary.statistics is not None
            assert summary.statistics.chunk_count == len(summary.chunk_indexes)
            assert {channel.message_encoding for channel in summary.channels.values()} <= {
                "rankcast/2", "json",
            }  # fmt: skip
            assert reader.get_header().profile == "rankcast"
            (metadata,) = list(reader.iter_metadata())
            assert metadata.metadata["segment"] == str(number)
            ours = 0
            for _, channel, message in reader.iter_messages():
                ours += 1
                found.append((channel.topic, message.log_time, message.publish_time,
                              message.sequence, message.data))  # fmt: skip
            assert ours == summary.statistics.message_count
        with segment.open("rb") as file:
            assert ours == sum(
                1 for _ in NonSeekingReader(file, validate_crcs=True).iter_messages()
            )
    mine = [
        (f"{one.camera}/{one.kind}", one.t_recorded_ns, one.t_capture_ns, one.sequence,
         bytes(one.data))
        for one in messages_of(tmp_path / "a.mcap")
    ]  # fmt: skip
    assert sorted(found) == sorted(mine)


def test_messages_of_a_time_are_found(tmp_path: Path) -> None:
    record(tmp_path / "a.mcap", {"cam": packets_of("raw", pictures(9))})
    times = [one.t_recorded_ns for one in messages_of(tmp_path / "a.mcap") if one.kind == "frames"]
    with (tmp_path / "a.mcap").open("rb") as file:
        found = SeekingReader(file).iter_messages(
            "cam/frames", starting_at=times[3], ending_before=times[6]
        )
        assert [message.log_time for _, _, message in found] == times[3:6]


def test_an_empty_recording_is_a_whole_file(tmp_path: Path) -> None:
    RecordingWriter(tmp_path / "a.mcap").close()
    with (tmp_path / "a.mcap").open("rb") as file:
        assert list(SeekingReader(file, validate_crcs=True).iter_messages()) == []
    assert messages_of(tmp_path / "a.mcap") == []


def test_a_file_of_a_killed_recorder_is_read_up_to_its_end(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "a.mcap")
    packets = packets_of("raw", pictures(3))
    for packet in packets:
        writer.write("cam", packet)
    data = (tmp_path / "a.mcap").read_bytes()
    writer.close()
    (tmp_path / "b.mcap").write_bytes(data)
    with (tmp_path / "b.mcap").open("rb") as file:
        # Without emit_chunks this reader asks for the index, which is not there.
        records = StreamReader(file, emit_chunks=True, validate_crcs=True).records
        names = [type(next(records)).__name__ for _ in range(4)]
    assert names == ["Header", "Metadata", "Chunk", "MessageIndex"]
