"""Recording: pictures, times and cameras of all segments, and seeking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import rankcast
from rankcast.errors import RecordingError, SettingsError, UnknownModelError
from rankcast.recordings import (
    RecorderClock,
    RecordingOptions,
    RecordingReader,
    RecordingWriter,
    segments_of,
)
from support.recordings import messages_of, packets_of, pictures, record

GOLDEN = Path(__file__).resolve().parents[3] / "golden"


class Clocks:
    """The two clocks of a machine, and time that passes on both."""

    def __init__(self) -> None:
        self.utc, self.mono = 1_795_000_000_000_000_000, 50_000_000_000

    def utc_ns(self) -> int:
        return self.utc

    def mono_ns(self) -> int:
        return self.mono

    def mono_s(self) -> float:
        return self.mono / 1e9

    def wait(self, seconds: float) -> None:
        self.utc += round(seconds * 1e9)
        self.mono += round(seconds * 1e9)


def record_in_time(
    path: Path, cameras: dict[str, list[bytes]], clocks: Clocks, segment_s: float = 4
) -> None:
    """Record a frame of each camera a second."""
    clock = RecorderClock(clocks.utc_ns, clocks.mono_ns)
    options = RecordingOptions(segment_s=segment_s)
    with RecordingWriter(path, options, clock=clock, now_s=clocks.mono_s) as writer:
        for turn in zip(*cameras.values(), strict=True):
            for camera, packet in zip(cameras, turn, strict=True):
                writer.write(camera, packet)
            clocks.wait(1)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Twenty seconds of two cameras, one frame a second each, in several segments."""
    path = tmp_path / "a.mcap"
    record_in_time(
        path,
        {
            "one": packets_of("svd-patch", pictures(20), group=3),
            "two": packets_of("svd-patch", pictures(20, (24, 32)), group=7),
        },
        Clocks(),
    )
    assert len(segments_of(path)) > 3
    return path


def numbers(frames: object) -> list[tuple[str, int]]:
    return [(frame.camera, frame.sequence) for frame in frames]  # type: ignore[attr-defined]


def test_frames_come_from_all_segments_in_the_order_of_recording(recorded: Path) -> None:
    with rankcast.Recording(recorded) as recording:
        assert numbers(recording) == [(name, n) for n in range(20) for name in ("one", "two")]
        assert numbers(recording.frames("two")) == [("two", n) for n in range(20)]
        assert recording.lost == 0
        assert recording.cameras == ("one", "two")
        assert recording.start == datetime(2026, 11, 18, 11, 6, 40, tzinfo=UTC)


def test_pictures_are_those_that_were_encoded(tmp_path: Path) -> None:
    images = pictures(4, (24, 30), "uint16")
    encoder = rankcast.Encoder("lossless")
    frames = [
        rankcast.Frame(image >> 4, number, 7 + number, 9 + number, 12, meta={"n": number})
        for number, image in enumerate(images)
    ]
    record(tmp_path / "a.mcap", {"cam": [encoder.encode(frame) for frame in frames]})
    with rankcast.Recording(str(tmp_path / "a.mcap"), writable=True) as recording:
        for sent, got in zip(frames, recording, strict=True):
            assert np.array_equal(got.pixels, sent.pixels)
            assert got.pixels.flags.writeable
            assert (got.frame, got.t_capture_utc_ns) == (sent.frame, sent.t_capture_utc_ns)
            assert (got.significant_bits, got.meta, got.camera) == (12, sent.meta, "cam")


@pytest.mark.parametrize("start", range(21))
def test_seeking_gives_the_frames_from_a_time_on_as_if_all_were_decoded(
    recorded: Path, start: int
) -> None:
    with rankcast.Recording(recorded) as recording:
        whole = {(frame.camera, frame.sequence): frame.pixels for frame in recording}
        found = list(recording.frames(start=start, end=start + 5.0))
        assert numbers(found) == [
            (name, n) for n in range(start, min(20, start + 5)) for name in ("one", "two")
        ]
        for frame in found:
            assert np.array_equal(frame.pixels, whole[frame.camera, frame.sequence])
        assert recording.lost == 0
        if start < 20:
            assert recording.frame_at(start, "two").sequence == start
            assert recording.start is not None
            at = recording.start + timedelta(seconds=start)
            assert recording.frame_at(at).sequence == start


def test_messages_before_the_start_are_only_those_that_later_ones_build_on(recorded: Path) -> None:
    messages = [one for one in messages_of(recorded) if one.kind == "frames"]
    for second in (0, 5, 8, 13, 19):
        start_ns = messages[0].t_recorded_ns + second * 10**9
        before = [one for one in messages if one.t_recorded_ns < start_ns]
        keys = {
            one.camera: one.sequence
            for one in messages
            if one.is_start and one.t_recorded_ns <= start_ns
        }
        wanted = [one for one in before if one.sequence >= keys[one.camera]]
        with RecordingReader(recorded) as reader:
            found = [one for one in reader.messages(start_ns) if one.t_recorded_ns < start_ns]
        assert [(one.camera, one.sequence) for one in found] == [
            (one.camera, one.sequence) for one in wanted
        ]


def test_a_segment_whose_predecessors_are_gone_is_read_from_its_start(recorded: Path) -> None:
    for _, segment in segments_of(recorded)[:2]:
        segment.unlink()
    with rankcast.Recording(recorded) as recording:
        found = numbers(recording)
        assert recording.lost == 0
    assert found
    assert found[-1] == ("two", 19)


def test_a_frame_that_is_missing_costs_pictures_up_to_the_next_key_frame(tmp_path: Path) -> None:
    packets = packets_of("svd-patch", pictures(10), group=5)
    record(tmp_path / "a.mcap", {"cam": packets[:2] + packets[3:]})
    with rankcast.Recording(tmp_path / "a.mcap") as recording:
        assert [frame.sequence for frame in recording] == [0, 1, 5, 6, 7, 8, 9]
        assert recording.lost == 2


def test_the_frame_rate_follows_from_the_capture_times(tmp_path: Path) -> None:
    encoder = rankcast.Encoder("raw")
    frames = [rankcast.Frame(image, n, 10**9 + n * 40_000_000, 10**18 + n * 40_000_000)
              for n, image in enumerate(pictures(5))]  # fmt: skip
    record(tmp_path / "a.mcap", {"cam": [encoder.encode(frame) for frame in frames]})
    with rankcast.Recording(tmp_path / "a.mcap") as recording:
        assert recording.frame_rate() == pytest.approx(25)
        assert recording.frame_rate("none") is None


def test_what_a_recording_cannot_give_is_said_in_one_line(recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be read: No such file"):
        rankcast.Recording(tmp_path / "none.mcap")
    with rankcast.Recording(recorded) as recording:
        with pytest.raises(RecordingError, match="holds no frame of camera one at 99"):
            recording.frame_at(99, "one")
        with pytest.raises(SettingsError, match="without a time zone"):
            recording.frame_at(datetime(2026, 11, 29))
    model = (GOLDEN / "refused" / "pca_frames_unknown_model.rkc").read_bytes()
    record(tmp_path / "model.mcap", {"cam": [model]})
    with (
        rankcast.Recording(tmp_path / "model.mcap") as recording,
        pytest.raises(UnknownModelError, match=r"model\.mcap: "),
    ):
        next(recording.frames())


def test_times_keep_their_order_and_spacing_when_the_clock_is_set(tmp_path: Path) -> None:
    clocks = Clocks()
    clock = RecorderClock(clocks.utc_ns, clocks.mono_ns)
    first = clock.now_ns()
    clocks.wait(1)
    clocks.utc -= 3600 * 10**9
    assert clock.now_ns() - first == 10**9
    clock.follow()
    assert clock.now_ns() - first == 10**9
    assert clock.ahead_ns() == 3600 * 10**9
    clocks.utc += 7200 * 10**9
    assert clock.now_ns() - first == 10**9
    clock.follow()
    assert clock.now_ns() - first == 3601 * 10**9
    packets = packets_of("raw", pictures(12))
    clocks = Clocks()
    clock = RecorderClock(clocks.utc_ns, clocks.mono_ns)
    options = RecordingOptions(segment_s=3)
    path = tmp_path / "a.mcap"
    with RecordingWriter(path, options, clock=clock, now_s=clocks.mono_s) as writer:
        for number, packet in enumerate(packets):
            clocks.wait(1)
            clocks.utc += (-5, 3, 0)[number % 3] * 10**9
            writer.write("cam", packet)
    with rankcast.Recording(path) as recording:
        assert [frame.sequence for frame in recording] == list(range(12))


def test_an_empty_last_segment_is_passed_over(recorded: Path) -> None:
    (recorded.with_name("a-0099.mcap")).write_bytes(b"")
    with rankcast.Recording(recorded) as recording:
        assert len(numbers(recording)) == 40
    (recorded.with_name("a-0098.mcap")).write_bytes(b"something else")
    with (
        rankcast.Recording(recorded) as recording,
        pytest.raises(RecordingError, match=r"a-0098\.mcap: is no recording"),
    ):
        list(recording)


def test_questions_within_an_iteration_leave_it_alone(recorded: Path) -> None:
    found = []
    with rankcast.Recording(recorded) as recording:
        for frame in recording.frames("one"):
            found.append(frame.sequence)
            assert recording.cameras == ("one", "two")
            assert recording.frame_at(float(frame.sequence), "two").sequence == frame.sequence
            assert recording.frame_rate("one") is not None
            assert recording.start is not None
        assert recording.lost == 0
    assert found == list(range(20))


def test_an_iteration_that_another_one_ended_says_so(recorded: Path) -> None:
    with rankcast.Recording(recorded) as recording:
        first = recording.frames()
        next(first)
        second = recording.frames()
        assert next(second).sequence == 0
        with pytest.raises(RecordingError, match="another iteration of this recording has begun"):
            next(first)
        next(second)
    with pytest.raises(RecordingError, match="this recording is closed"):
        next(second)
