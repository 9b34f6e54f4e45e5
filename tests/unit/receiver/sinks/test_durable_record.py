"""A durable recorder holds what it cannot record, repeats nothing and says what is recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rankcast.errors import SinkError
from rankcast.recorder import RecordedTail, Recorder
from rankcast.recordings import Recording, RecordingWriter
from rankcast.wire import Kind, unpack
from rankcast_receiver.sinks import durable_record
from rankcast_receiver.sinks.durable_record import DurableRecordSink
from rankcast_receiver.stream import CameraPacket
from support.recorders import FakeDisk
from support.recordings import packets_of, pictures


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable_record, "RETRY_S", 0.01)
    monkeypatch.setattr(durable_record, "POLL_S", 0.005)


def open_sink(
    path: Path, recorded: list[int], stopped: Callable[[], bool] = lambda: False
) -> DurableRecordSink:
    return DurableRecordSink(
        lambda: Recorder(RecordingWriter(path), tried_again=True),
        lambda: RecordedTail(path),
        dict,
        on_recorded=lambda packet: recorded.append(packet.packet.header.sequence),
        stopped=stopped,
    )


def put(sink: DurableRecordSink, packets: list[bytes]) -> None:
    for data in packets:
        sink.put(CameraPacket("cam", unpack(data), memoryview(data), 0.0))


def content(path: Path) -> tuple[list[int], int]:
    with Recording(path) as recording:
        return [frame.sequence for frame in recording], recording.lost


def test_frames_that_come_again_after_a_restart_are_acknowledged_and_not_repeated(
    tmp_path: Path,
) -> None:
    path, recorded = tmp_path / "a.mcap", list[int]()
    packets = packets_of("svd-patch", pictures(8))
    first = open_sink(path, recorded)
    put(first, packets[:5])
    first.close()
    second = open_sink(path, recorded)
    put(second, packets[3:])
    second.close()
    assert recorded == [0, 1, 2, 3, 4, 3, 4, 5, 6, 7]
    sequences, lost = content(path)
    # The reference repeats the frame that the segment before ends with.
    assert (sorted(set(sequences)), lost) == (list(range(8)), 0)
    kinds = [unpack(message).header.kind for message in packets[:5]]
    assert kinds.count(Kind.KEY) == 1


def test_a_full_disk_holds_the_recorder_up_and_costs_no_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, recorded, disk = tmp_path / "a.mcap", list[int](), FakeDisk(monkeypatch)
    tries = 0

    def stopped() -> bool:
        nonlocal tries
        tries += 1
        disk.full = tries < 5
        return False

    packets = packets_of("svd-patch", pictures(6))
    sink = open_sink(path, recorded, stopped)
    put(sink, packets[:3])
    disk.full = True
    put(sink, packets[3:])
    assert sink.kept >= 6
    sink.close()
    assert recorded == list(range(6))
    sequences, lost = content(path)
    assert (sorted(set(sequences)), lost) == (list(range(6)), 0)
    assert tries >= 5


def test_a_receiver_that_ends_while_the_disk_is_full_acknowledges_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded, disk = list[int](), FakeDisk(monkeypatch)
    sink = open_sink(tmp_path / "a.mcap", recorded, lambda: True)
    disk.full = True
    with pytest.raises(SinkError, match="No space left"):
        put(sink, packets_of("svd-patch", pictures(1)))
    assert recorded == []
    disk.full = False
    sink.close()
