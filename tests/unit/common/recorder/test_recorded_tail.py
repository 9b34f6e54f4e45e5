"""Where a recording ended: what is not written again, and how the next segment goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from rankcast.recorder import RecordedTail, Recorder
from rankcast.recordings import Recording, RecordingOptions, RecordingWriter
from rankcast.wire import Kind, unpack
from support.recordings import packets_of, pictures


def record(path: Path, packets: list[bytes], **options: int) -> None:
    """Record packets as a recorder does that is killed: nothing is finished."""
    writer = RecordingWriter(path, RecordingOptions(**options))  # type: ignore[arg-type]
    for packet in packets:
        writer.write("cam", packet)
    writer.close()


def test_frames_of_the_latest_segments_are_known_by_stream_and_sequence(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    before, after = packets_of("raw", pictures(3)), packets_of("raw", pictures(2))
    record(path, before)
    record(path, after)
    tail = RecordedTail(path)
    assert all(tail.has("cam", unpack(packet).header) for packet in (*before, *after))
    (fresh,) = packets_of("raw", pictures(1))
    assert not tail.has("cam", unpack(fresh).header)
    assert not tail.has("other", unpack(before[0]).header)


@pytest.mark.parametrize("cut", [3, 5])
def test_a_recording_goes_on_behind_its_last_frame_without_a_key_frame(
    tmp_path: Path, cut: int
) -> None:
    path = tmp_path / "a.mcap"
    packets = packets_of("svd-patch", pictures(8))
    record(path, packets[:cut])
    reference = RecordedTail(path).reference("cam")
    assert reference is not None
    assert unpack(reference).header.kind is Kind.REFERENCE
    recorder = Recorder(RecordingWriter(path))
    for packet in (reference, *packets[cut:]):
        recorder.put("cam", packet, unpack(packet))
    recorder.close()
    assert recorder.recorded == len(packets) - cut + 1
    with Recording(path) as recording:
        sequences = {frame.sequence for frame in recording}
    assert sequences == set(range(8))
    assert recording.lost == 0


def test_a_codec_that_predicts_nothing_needs_no_reference(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    record(path, packets_of("raw", pictures(3)))
    assert RecordedTail(path).reference("cam") is None


def test_a_recording_that_is_not_there_or_empty_has_no_frames(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    assert RecordedTail(path).reference("cam") is None
    path.write_bytes(b"")
    assert RecordedTail(path).reference("cam") is None
