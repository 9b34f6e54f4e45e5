"""RecordSink: packets, losses and faults reach the recorder, and errors name the disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rankcast
from rankcast.errors import NeedKeyframe, SettingsError, SinkError
from rankcast.recorder import Recorder, Triggers, open_recorder
from rankcast.recordings import RecordingWriter
from rankcast.settings import RecordTable
from rankcast.wire import unpack
from rankcast_receiver.sinks.record import RecordSink
from rankcast_receiver.stream import CameraPacket
from support.recorders import FakeDisk
from support.recordings import frames_of, messages_of, packets_of, pictures


def of_camera(data: bytes, camera: str = "cam") -> CameraPacket:
    return CameraPacket(camera, unpack(data), memoryview(data), 0.0)


def test_packets_are_recorded_with_the_losses_on_their_way(tmp_path: Path) -> None:
    path, lost = tmp_path / "a.mcap", {"cam": {"network_gap": 4}}
    sink = RecordSink(Recorder(RecordingWriter(path)), lambda: lost)
    made = packets_of("svd-patch", pictures(3))
    for packet in made:
        sink.put(of_camera(packet))
    assert sink.kept == 3
    sink.lose("cam", "sink", 2)
    sink.close()
    sink.close()
    assert frames_of(path) == {"cam": made}
    ledger = [json.loads(bytes(m.data)) for m in messages_of(path) if m.kind == "ledger"][-1]
    assert ledger["lost"] == {"network_gap": 4, "sink": 2}


def test_losses_that_grow_are_noted_once(tmp_path: Path) -> None:
    path, lost = tmp_path / "a.mcap", {"cam": {"network_gap": 1}}
    recorder = Recorder(RecordingWriter(path))
    sink = RecordSink(recorder, lambda: lost)
    for total in (1, 1, 5):
        lost["cam"]["network_gap"] = total
        sink._note_losses()
    sink.put(of_camera(packets_of("raw", pictures(1))[0]))
    sink.close()
    ledger = [json.loads(bytes(m.data)) for m in messages_of(path) if m.kind == "ledger"][-1]
    assert ledger["lost"] == {"network_gap": 5}


def test_a_full_disk_is_an_error_of_the_sink_and_a_missing_reference_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FakeDisk(monkeypatch)
    sink = RecordSink(Recorder(RecordingWriter(tmp_path / "a.mcap")), dict)
    made = packets_of("svd-patch", pictures(4))
    sink.put(of_camera(made[0]))
    disk.full = True
    with pytest.raises(SinkError, match=r"a\.mcap: cannot be written: No space left .* free some"):
        sink.put(of_camera(made[1]))
    disk.full = False
    with pytest.raises(NeedKeyframe, match="the recording goes on at the next key frame"):
        sink.put(of_camera(made[2]))
    assert sink.kept == 1
    sink.close()


def test_the_table_chooses_the_recorder(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    whole = open_recorder(RecordTable(file=str(path)), Triggers(), lambda *_: None)
    whole.close()
    assert path.exists()
    path.unlink()
    events = open_recorder(RecordTable(file=str(path), pre_s=1.0), Triggers(), lambda *_: None)
    events.close()
    assert not path.exists()
    with pytest.raises(SettingsError, match="folder does not exist"):
        open_recorder(
            RecordTable(file=str(tmp_path / "absent" / "a.mcap"), post_s=1.0),
            Triggers(),
            lambda *_: None,
        )


def test_a_recording_that_exists_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    for _ in range(2):
        sink = RecordSink(Recorder(RecordingWriter(path)), dict)
        sink.put(of_camera(rankcast.Encoder("raw").encode(pictures(1)[0])))
        sink.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a-0001.mcap", "a.mcap"]
