"""EventRecorder: what came before and after a trigger, one file an event."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rankcast
from rankcast.errors import SettingsError
from rankcast.recorder import EventOptions, EventRecorder, Triggers
from rankcast.recordings import RecordingLimits, RecordingOptions
from support.recorders import GIGABYTE, Asked, Clock, FakeDisk, offer
from support.recordings import frames_of, messages_of, pictures

NAME = re.compile(r"a-\d{8}T\d{6}\.\d{3}Z-[a-z0-9_]+\.mcap")


class Station:
    """A camera of one frame a second, a key frame every fifth, and its recorder."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.folder, self.clock, self.asked = folder, Clock(), Asked()
        self.triggers = Triggers(self.clock)
        self.packets: list[bytes] = []
        self._encoder = rankcast.Encoder("svd-patch")
        self._pictures = itertools.cycle(pictures(7))
        self._free = options.pop("free", None)
        chosen = EventOptions(**{"pre_s": 3.0, "post_s": 2.0, **options})  # type: ignore[arg-type]
        self.recorder = EventRecorder(
            folder / "a.mcap", chosen, self.triggers, self.asked,
            now_s=self.clock, free=self._free,  # type: ignore[arg-type]
        )  # fmt: skip

    def run(self, frames: int, **meta: bool) -> list[str]:
        found = []
        for _ in range(frames):
            if len(self.packets) % 5 == 0:
                self._encoder.request_keyframe()
            self.packets.append(self._encoder.encode(next(self._pictures), meta=meta))
            found += offer(self.recorder, "cam", self.packets[-1:])
            self.clock.now_s += 1
        return found

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("a*.mcap"))

    def frames(self, file: Path) -> list[int]:
        """Numbers of the frames in a file, which must decode."""
        decoder = rankcast.Decoder()
        found = []
        for packet in frames_of(file)["cam"]:
            decoder.decode(packet)
            found.append(self.packets.index(packet))
        return found


@pytest.fixture
def station_of(tmp_path: Path) -> Iterator[Callable[..., Station]]:
    """Make the station of a test; its recorder is closed whatever happens."""
    made: list[Station] = []

    def make(**options: object) -> Station:
        made.append(Station(tmp_path, **options))
        return made[-1]

    yield make
    for station in made:
        station.recorder.close()


def test_without_a_trigger_nothing_is_written(station_of: Callable[..., Station]) -> None:
    station = station_of()
    assert station.run(20) == ["ok"] * 20
    station.recorder.close()
    assert station.files() == []
    assert station.recorder.recorded == 0


def test_an_event_has_the_seconds_before_it_and_after_it(
    station_of: Callable[..., Station],
) -> None:
    station = station_of()
    station.run(14)
    station.triggers.pull("ejector")
    station.run(10)
    (file,) = station.files()
    assert NAME.fullmatch(file.name)
    assert file.name.endswith("Z-ejector.mcap")
    # Triggered at 14 s: 3 s before begin at 11 s, in the group of the key frame at 10 s.
    assert station.frames(file) == list(range(10, 16))
    assert (station.recorder.events, station.recorder.recorded) == (1, 6)
    station.recorder.close()


def test_packets_keep_the_times_at_which_they_came(station_of: Callable[..., Station]) -> None:
    station = station_of()
    station.run(8)
    station.triggers.pull("x")
    station.run(1)
    station.recorder.close()
    times = [m.t_recorded_ns for m in messages_of(station.files()[0]) if m.kind == "frames"]
    assert len(set(times)) == len(times)
    assert times == sorted(times)


def test_triggers_during_an_event_prolong_it(station_of: Callable[..., Station]) -> None:
    station = station_of()
    station.run(11)
    station.triggers.pull("one")
    station.run(1)
    station.triggers.pull("two")
    station.run(2)
    station.triggers.pull("three")
    station.run(9)
    (file,) = station.files()
    assert file.name.endswith("-one.mcap")
    assert station.frames(file) == list(range(5, 16))
    station.recorder.close()


def test_a_later_event_has_a_file_of_its_own(station_of: Callable[..., Station]) -> None:
    station = station_of()
    station.run(6)
    station.triggers.pull("one")
    station.run(9)
    station.triggers.pull("two")
    station.run(9)
    one, two = sorted(station.files(), key=lambda file: file.name[-8:])
    assert station.frames(one) == list(range(8))
    assert station.frames(two) == list(range(10, 17))
    assert station.recorder.events == 2
    station.recorder.close()


def test_a_line_of_the_camera_that_rises_is_a_trigger(station_of: Callable[..., Station]) -> None:
    station = station_of(trigger_meta="Line 1")
    station.run(6, **{"Line 1": False})
    station.run(4, **{"Line 1": True})  # stays high: one event
    station.run(4, **{"Line 1": False})
    (file,) = station.files()
    assert file.name.endswith("-line_1.mcap")
    assert station.frames(file) == list(range(8))
    station.recorder.close()


def test_a_key_that_no_frame_has_is_reported_once_with_those_that_they_have(
    station_of: Callable[..., Station], caplog: pytest.LogCaptureFixture
) -> None:
    station = station_of(trigger_meta="lime")
    station.run(99, line=True)
    assert not caplog.messages
    station.run(60, line=True)
    (message,) = caplog.messages
    assert "'lime', which record.trigger_meta names" in message
    assert "this frame has 'line'" in message
    station.recorder.close()


def test_a_key_that_some_frame_has_is_not_reported(
    station_of: Callable[..., Station], caplog: pytest.LogCaptureFixture
) -> None:
    station = station_of(trigger_meta="line")
    station.run(50)
    station.run(1, line=False)
    station.run(120)
    assert not caplog.messages
    station.recorder.close()


def test_a_full_disk_delays_the_event_and_loses_nothing_that_memory_holds(
    station_of: Callable[..., Station], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FakeDisk(monkeypatch)
    station = station_of(free=disk.free, post_s=6.0)
    station.run(12)
    disk.full = True
    station.triggers.pull("x")
    assert station.run(2) == ["ok"] * 2
    assert station.files() == []
    assert "No space left" in station.recorder.fault
    disk.full = False
    station.run(10)
    (file,) = station.files()
    assert station.frames(file) == list(range(5, 18))
    station.recorder.close()


def test_a_disk_that_fills_up_during_an_event_costs_frames_up_to_a_key_frame(
    station_of: Callable[..., Station], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FakeDisk(monkeypatch)
    station = station_of(free=disk.free, post_s=30.0)
    station.run(6)
    station.triggers.pull("x")
    station.run(2)
    disk.full = True
    assert station.run(1) != ["ok"]
    disk.full = False
    station.clock.now_s += 5
    assert station.run(1) == ["waits"]
    assert ("cam", True) in station.asked.take()
    assert station.run(4) == ["ok"] * 4
    station.recorder.close()
    second, first = station.files()
    assert (first.stem + "-0001", second.suffix) == (second.stem, ".mcap")
    assert station.frames(first) == [*range(8), *range(10, 14)]


def event(station: Station, cause: str) -> None:
    station.run(8)
    station.triggers.pull(cause)
    station.run(8)


def causes(station: Station) -> list[str]:
    """Return the causes of the events on disk, whose segments may be several."""
    return sorted(
        {re.sub(r"-\d{4}$", "", file.stem).rpartition("-")[2] for file in station.files()}
    )


def test_limits_hold_for_all_events_together_but_the_newest_stays(
    station_of: Callable[..., Station],
) -> None:
    recording = RecordingOptions(segment_bytes=1, limits=RecordingLimits(max_bytes=2))
    station = station_of(recording=recording)
    other = station.folder / "a-20200101T000000.000Z-old.txt"
    other.write_text("mine")
    for number in range(3):
        event(station, f"e{number}")
    station.recorder.idle()
    assert causes(station) == ["e2"]
    assert other.exists()
    station.recorder.close()
    again = station_of(recording=recording)
    again.clock.now_s += 2
    again.recorder.idle()
    assert causes(again) == ["e2"]


def reserving(station_of: Callable[..., Station], disk: FakeDisk, **options: object) -> Station:
    limits = RecordingLimits(min_free_bytes=GIGABYTE)
    return station_of(free=disk.free, recording=RecordingOptions(limits=limits), **options)


def test_an_event_for_which_too_little_is_free_is_not_written(
    station_of: Callable[..., Station], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FakeDisk(monkeypatch)
    station = reserving(station_of, disk)
    event(station, "old")
    event(station, "kept")
    disk.claims = 0
    event(station, "lost")
    assert causes(station) == ["kept"]
    assert "that are to stay free are in use" in station.recorder.fault
    assert station.recorder.events == 2


def test_the_newest_event_goes_if_the_one_that_begins_fits_in_its_place(
    station_of: Callable[..., Station], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FakeDisk(monkeypatch)
    station = reserving(station_of, disk)
    event(station, "old")
    sizes = sum(file.stat().st_size for file in station.files())
    monkeypatch.setattr(
        disk, "free",
        lambda _: GIGABYTE + sizes - 1 - sum(file.stat().st_size for file in station.files()),
    )  # fmt: skip
    station.recorder._retention._free = disk.free
    event(station, "new")
    assert causes(station) == ["new"]


def test_an_event_stops_at_the_space_to_keep_and_goes_on_with_a_key_frame(
    station_of: Callable[..., Station], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FakeDisk(monkeypatch)
    station = reserving(station_of, disk, post_s=300.0)
    disk.claims = 2 * GIGABYTE
    station.run(6)
    station.triggers.pull("x")
    assert station.run(2) == ["ok"] * 2
    disk.claims = 0
    station.recorder.idle()
    (file,) = station.files()
    size = file.stat().st_size
    assert station.run(4) == ["full"] * 4
    assert file.stat().st_size < size + 2000  # ledgers
    station.clock.now_s += 60
    disk.claims = GIGABYTE + 1  # not enough to be worth a key frame
    station.asked.take()
    station.recorder.idle()
    assert ("cam", True) not in station.asked.take()
    station.clock.now_s += 60
    disk.claims = 2 * GIGABYTE
    station.recorder.idle()
    assert ("cam", True) in station.asked.take()
    station.run(6)
    station.recorder.close()
    assert station.frames(file) == [*range(8), 15, 16, 17]


def test_an_event_at_the_end_is_complete_when_the_recorder_closes(
    station_of: Callable[..., Station],
) -> None:
    station = station_of()
    station.run(6)
    station.triggers.pull("end")
    station.recorder.close()
    (file,) = station.files()
    assert station.frames(file) == list(range(6))


@pytest.mark.parametrize("cause", ["", "a b", "../x", "UP", "a" * 33, "a-0001"])
def test_a_cause_that_no_file_name_may_hold_is_refused(cause: str) -> None:
    with pytest.raises(SettingsError, match="want 1 to 32 of a-z, 0-9 and _"):
        Triggers().pull(cause)
