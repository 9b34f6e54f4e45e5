"""Recordings of a folder: what is listed, what is read, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rankcast.errors import RecordingError
from rankcast.recordings import RecordingOptions, read_summary
from rankcast.wire import Limits, unpack
from rankcast_receiver.web.recordings.catalog import RecordingCatalog
from rankcast_receiver.web.recordings.playback import Playback
from support.recordings import messages_of, packets_of, pictures, record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    record(tmp_path / "cam.mcap", {"cam": packets_of("svd-patch", pictures(30), group=10)})
    return tmp_path


def catalog(folder: Path) -> RecordingCatalog:
    return RecordingCatalog(folder, Limits(), lambda: False)


def test_the_index_of_a_complete_file_says_what_a_survey_says(folder: Path) -> None:
    summary = read_summary(folder / "cam.mcap")
    assert summary is not None
    messages = messages_of(folder / "cam.mcap")
    assert summary.frames == {"cam": 30}
    assert summary.t_first_ns == messages[0].t_recorded_ns
    assert summary.t_last_ns == messages[-1].t_recorded_ns


def test_a_damaged_index_is_none(folder: Path) -> None:
    whole = (folder / "cam.mcap").read_bytes()
    for size in (0, 10, 40, len(whole) - 1, len(whole) - 100):
        (folder / "part.mcap").write_bytes(whole[:size])
        assert read_summary(folder / "part.mcap") is None
    for at in range(len(whole) - 400, len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        (folder / "part.mcap").write_bytes(damaged)
        read_summary(folder / "part.mcap")


def test_segments_are_one_recording(folder: Path) -> None:
    packets = packets_of("raw", pictures(60))
    record(folder / "long.mcap", {"cam": packets}, RecordingOptions(segment_bytes=65_536))
    assert (folder / "long-0001.mcap").exists()
    found = {one["name"]: one for one in catalog(folder).list_all()}
    assert set(found) == {"cam.mcap", "long.mcap"}
    assert found["long.mcap"]["frames"] >= 60
    (folder / "long.mcap").unlink()  # as retention does
    assert {one["name"] for one in catalog(folder).list_all()} == {"cam.mcap", "long.mcap"}


def test_a_file_is_read_again_only_after_a_change(folder: Path) -> None:
    files = catalog(folder)
    before = files.list_all()
    whole = (folder / "cam.mcap").read_bytes()
    assert files.list_all() == before
    (folder / "cam.mcap").write_bytes(whole[: len(whole) // 2])
    after = files.list_all()[0]
    assert not after["complete"]
    assert 0 < after["frames"] < 30


def test_what_was_not_read_to_its_end_is_not_counted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (folder / "cam.mcap").read_bytes()
    (folder / "cam.mcap").write_bytes(whole[:-100])  # without its index
    counted = catalog(folder).list_all()[0]
    assert counted["frames"] == 30
    monkeypatch.setattr("rankcast_receiver.web.recordings.catalog.MOST_SCANNED_BYTES", 1000)
    found = catalog(folder).list_all()[0]
    # The last record says when it was written: its file need not be read to its end.
    assert (found["frames"], found["duration_s"]) == (None, counted["duration_s"])
    assert found["begin_utc"] == counted["begin_utc"]
    assert found["cameras"] == ["cam"]


def test_the_duration_is_that_of_the_last_whole_message(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (folder / "cam.mcap").read_bytes()
    messages = messages_of(folder / "cam.mcap")
    monkeypatch.setattr("rankcast_receiver.web.recordings.catalog.MOST_SCANNED_BYTES", 1000)
    # With the beginning of an index behind it, and with that of another message.
    for last, cut in ((len(messages) - 1, len(whole) - 100), (15, messages[16].offset + 200)):
        (folder / "cam.mcap").write_bytes(whole[:cut])
        found = catalog(folder).list_all()[0]
        lasts_ns = messages[last].t_recorded_ns - messages[0].t_recorded_ns
        assert found["duration_s"] == lasts_ns / 1e9
    monkeypatch.setattr("rankcast.recordings.segment.segment_summary.PIECE_BYTES", 50)
    again = catalog(folder).list_all()[0]  # a record that lies across two pieces is found
    assert again["duration_s"] == found["duration_s"]


def test_without_a_record_at_the_end_the_duration_is_unknown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (folder / "cam.mcap").read_bytes()
    (folder / "cam.mcap").write_bytes(whole[:-100] + bytes(1 << 16))
    monkeypatch.setattr("rankcast_receiver.web.recordings.catalog.MOST_SCANNED_BYTES", 1000)
    files = RecordingCatalog(folder, Limits(max_packet_bytes=1 << 10), lambda: False)
    monkeypatch.setattr("rankcast_receiver.web.recordings.catalog.PIECE_BYTES", 1 << 10)
    found = files.list_all()[0]
    assert (found["frames"], found["duration_s"]) == (None, None)


def test_names_are_compared_and_links_are_no_recordings(folder: Path) -> None:
    outside = folder / "elsewhere"
    outside.mkdir()
    shutil.copy(folder / "cam.mcap", outside / "secret.mcap")
    (folder / "link.mcap").symlink_to(outside / "secret.mcap")
    (folder / "cam-0001.mcap").symlink_to(outside / "secret.mcap")
    (folder / "folder.mcap").mkdir()
    files = catalog(folder)
    assert [one["name"] for one in files.list_all()] == ["cam.mcap"]
    for name in (
        "link.mcap",
        "folder.mcap",
        "elsewhere/secret.mcap",
        "../x",
        "",
        ".",
        "/etc/passwd",
    ):
        assert files.describe(name) is None
        assert files.path_of(name) is None
    with pytest.raises(RecordingError, match="link"):
        Playback(folder / "cam.mcap", Limits(), lambda: False)


def test_thousands_of_files_are_listed(folder: Path) -> None:
    for number in range(2000):
        (folder / f"many{number}.mcap").write_bytes(b"")
    files = catalog(folder)
    assert len(files.list_all()) == 2001
    assert "is empty" in files.list_all()[0]["error"]


def test_a_seek_begins_at_the_key_frame_before_and_says_what_is_to_be_shown(folder: Path) -> None:
    messages = [one for one in messages_of(folder / "cam.mcap") if one.kind == "frames"]
    playback = Playback(folder / "cam.mcap", Limits(), lambda: False)
    try:
        seek = playback.seek(messages[25].t_recorded_ns)
        pieces = playback.next_pieces()
    finally:
        playback.close()
    assert [(camera, sequence) for (camera, _), sequence in seek.starts.items()] == [("cam", 25)]
    assert seek.due == {"cam"}
    assert [piece.sequence for piece in pieces] == list(range(20, 30))
    head, _, data = pieces[0].message.partition(b"\0")
    assert head == b"cam/frames"
    assert unpack(data).header.sequence == 20


def test_a_seek_names_the_streams_of_a_sender_that_was_restarted(tmp_path: Path) -> None:
    first, second = (packets_of("svd-patch", pictures(10)) for _ in range(2))
    record(tmp_path / "cam.mcap", {"cam": first + second})
    times = [one.t_recorded_ns for one in messages_of(tmp_path / "cam.mcap")]
    streams = [unpack(packets[0]).header.stream_id for packets in (first, second)]
    playback = Playback(tmp_path / "cam.mcap", Limits(), lambda: False)
    try:
        seek = playback.seek(times[9] + 1)  # between the two
        assert seek.starts == {("cam", streams[0]): 10, ("cam", streams[1]): 0}
        assert [one.stream_id for one in playback.next_pieces()] == [
            stream for stream in streams for _ in range(10)
        ]
        assert playback.seek(times[5]).starts == {("cam", streams[0]): 5}
        assert playback.seek(times[15]).starts == {("cam", streams[1]): 5}
    finally:
        playback.close()


def test_a_seek_to_the_beginning_shows_every_camera(tmp_path: Path) -> None:
    packets = packets_of("raw", pictures(3))
    record(tmp_path / "two.mcap", {"a": packets, "b": packets})
    playback = Playback(tmp_path / "two.mcap", Limits(), lambda: False, ("a", "b"))
    try:
        begin_ns = messages_of(tmp_path / "two.mcap")[0].t_recorded_ns
        assert playback.seek(begin_ns).due == {"a", "b"}
    finally:
        playback.close()


def test_a_seek_behind_the_end_shows_the_last_picture(folder: Path) -> None:
    playback = Playback(folder / "cam.mcap", Limits(), lambda: False)
    try:
        seek = playback.seek(2**62)
        assert list(seek.starts.values()) == [29]
        assert seek.due == frozenset()
        assert [piece.sequence for piece in playback.next_pieces()] == list(range(20, 30))
        assert playback.next_pieces() == []
    finally:
        playback.close()


def test_a_piece_names_its_codec_and_says_whether_it_decodes_alone(tmp_path: Path) -> None:
    codecs = {"a": "pca", "b": "svd-patch"}
    record(
        tmp_path / "cam.mcap",
        {camera: packets_of(codec, pictures(3)) for camera, codec in codecs.items()},
    )
    playback = Playback(tmp_path / "cam.mcap", Limits(), lambda: False)
    try:
        playback.seek(0)
        pieces = playback.next_pieces()
    finally:
        playback.close()
    assert len(pieces) == 6
    for piece in pieces:
        assert piece.codec == codecs[piece.camera]
        packet = unpack(piece.message[piece.packet_at :])
        assert packet.header.sequence == piece.sequence
        assert piece.starts == (piece.camera == "a" or piece.sequence == 0)
