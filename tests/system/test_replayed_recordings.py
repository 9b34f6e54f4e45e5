"""Replays of recordings: real processes play what was recorded, to the bit and in its time."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import rankcast
from rankcast.frame import Frame, Pixels
from rankcast.images import read_image, read_text
from rankcast.net import ControlClient, control_endpoint
from rankcast.recordings import RecorderClock, RecordingWriter
from rankcast_receiver import Subscriber
from support.fakes import free_address
from support.moving_scene import scene
from support.processes import rankcast as command
from support.processes import read_report, run

FRAMES, FPS, GROUP = 30, 30, 10
LONG_AGO_NS = 1_500_000_000_000_000_000
"""UTC of the first frame: 2017."""


def record(path: Path, *cameras: str, gap_at: int = -1) -> list[Pixels]:
    """Record a clip of each camera; return the pixels that decode from it."""
    decoder, decoded = rankcast.Decoder(), []
    with RecordingWriter(path) as writer:
        for camera in cameras or ("cam",):
            encoder = rankcast.Encoder("svd-patch", gop=GROUP)
            for number in range(FRAMES):
                later_ns = number * 10**9 // FPS
                frame = Frame(
                    scene(number, (40, 64), "uint8"),
                    frame=number,
                    t_capture_mono_ns=10**9 + later_ns,
                    t_capture_utc_ns=LONG_AGO_NS + later_ns,
                )
                packet = encoder.encode_packet(encoder.frame_of(frame)).data
                if number == gap_at:
                    continue
                if gap_at < 0:
                    decoded.append(decoder.decode(packet))
                writer.write(camera, packet)
    return decoded


@contextmanager
def replaying(path: Path, query: str = "", *arguments: str) -> Iterator[str]:
    """Send a recording; yield the address."""
    address = free_address()
    source = f"replay:{path}{query}"
    options = ("--source", source, "--bind", address, "--report", str(path.with_suffix(".json")))
    with command("send", *options, *arguments) as sender:
        sender.wait_line("control channel")
        yield address


def saved(folder: Path) -> list[tuple[int, Pixels, str]]:
    """Return sequence, pixels and UTC of capture of each saved frame, in order of saving."""
    found = []
    for path in sorted(folder.glob("*.png"), key=lambda path: path.stat().st_mtime_ns):
        tag = json.loads(read_text(path) or "")
        found.append((tag["sequence"], read_image(path), tag["capture_utc"]))
    return found


def test_every_packet_arrives_as_it_was_recorded_with_its_time_of_then(tmp_path: Path) -> None:
    decoded = record(tmp_path / "clip.mcap")
    wait = ("--wait-viewers", "1", "--no-realtime")
    with replaying(tmp_path / "clip.mcap", "", *wait) as address:
        done = run("receive", "--connect", address, "--save", str(tmp_path / "saved"))
    assert done.returncode == 0, done.stderr
    frames = saved(tmp_path / "saved")
    assert [sequence for sequence, _, _ in frames] == list(range(FRAMES))
    for (_, pixels, _), expected in zip(frames, decoded, strict=True):
        assert np.array_equal(pixels, expected)
    assert frames[0][2] == "2017-07-14T02:40:00.000000+00:00"
    assert frames[-1][2] == "2017-07-14T02:40:00.966666+00:00"


@pytest.mark.slow
def test_frames_of_last_year_are_live_and_young(tmp_path: Path) -> None:
    record(tmp_path / "clip.mcap")
    with (
        replaying(tmp_path / "clip.mcap", "", "--loop", "--wait-viewers", "1") as address,
        Subscriber(address, timeout_s=20) as viewer,
    ):
        seen = []
        for frame in viewer:
            assert frame.t_capture_here_ns is not None
            seen.append((frame.stream_id, frame.sequence))
            assert frame.t_capture_utc_ns < LONG_AGO_NS + 2 * 10**9
            if len({stream for stream, _ in seen}) == 3:
                break
        states = [state.state.value for state in viewer.states]
        balance = viewer.balance()
    assert states == ["live"]
    assert balance.lost.get("network_gap", 0) == 0
    assert balance.lost.get("refused_packet", 0) == 0
    streams = list(dict.fromkeys(stream for stream, _ in seen))
    assert len(streams) == 3, "each loop is a stream of its own"
    second = [sequence for stream, sequence in seen if stream == streams[1]]
    assert second == sorted(second)


@pytest.mark.slow
def test_the_original_spacing_is_kept_and_speed_divides_it(tmp_path: Path) -> None:
    record(tmp_path / "clip.mcap")
    spans_s = []
    for query in ("", "?speed=4"):
        wait = ("--wait-viewers", "1")
        with (
            replaying(tmp_path / "clip.mcap", query, *wait) as address,
            Subscriber(address, live=False, timeout_s=20) as viewer,
        ):
            times = []
            for _ in viewer:
                times.append(time.monotonic())
        spans_s.append(times[-1] - times[0])
        assert len(times) == FRAMES
    whole_s = (FRAMES - 1) / FPS
    assert spans_s[0] == pytest.approx(whole_s, abs=0.4)
    assert spans_s[1] < 0.75 * whole_s


@pytest.mark.slow
def test_loops_in_keep_mode_lose_no_frame(tmp_path: Path) -> None:
    record(tmp_path / "clip.mcap")
    count = 2 * FRAMES + 5
    options = ("--loop", "--no-realtime", "--wait-viewers", "1", "--frames", str(count))
    report = tmp_path / "received.json"
    with replaying(tmp_path / "clip.mcap", "", *options) as address:
        done = run("receive", "--connect", address, "--set", "stream.mode=keep",
                   "--report", str(report))  # fmt: skip
    assert done.returncode == 0, done.stderr
    received = read_report(report)
    assert received["delivered"] == count
    assert received["lost"] == {}
    assert received["balanced"]
    assert len(received["streams"]) == 3


@pytest.mark.slow
def test_what_the_recorder_lost_is_missing_and_counted_by_the_viewer(tmp_path: Path) -> None:
    record(tmp_path / "clip.mcap", gap_at=15)
    with (
        replaying(tmp_path / "clip.mcap", "", "--no-realtime", "--wait-viewers", "1") as address,
        Subscriber(address, live=False, timeout_s=20) as viewer,
    ):
        sequences = [frame.sequence for frame in viewer]
        lost = viewer.balance().lost
    assert sequences == [*range(15), *range(20, FRAMES)], "the group of the lost frame is broken"
    assert lost["network_gap"] == 1
    assert lost["waiting_for_keyframe"] == 4


def test_start_and_end_select_a_span_that_begins_with_its_key_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times_ms = itertools.count(0, 100)
    monkeypatch.setattr(RecorderClock, "now_ns", lambda _: LONG_AGO_NS + next(times_ms) * 10**6)
    record(tmp_path / "clip.mcap")  # a frame each 100 ms
    monkeypatch.undo()
    query = "?start=1.45&end=2.05"
    with (
        replaying(tmp_path / "clip.mcap", query, "--no-realtime", "--wait-viewers", "1") as address,
        Subscriber(address, live=False, timeout_s=20) as viewer,
    ):
        assert [frame.sequence for frame in viewer] == list(range(10, 21))


@pytest.mark.slow
def test_a_step_shows_one_frame(tmp_path: Path) -> None:
    record(tmp_path / "clip.mcap")
    with (
        replaying(tmp_path / "clip.mcap", "?trigger=on", "--wait-viewers", "1") as address,
        ControlClient(control_endpoint(address)) as control,
        Subscriber(address, timeout_s=20) as viewer,
    ):
        frames = iter(viewer)
        # The recording is opened once the viewer has come.
        while "trigger" not in control.call("get", timeout_s=20).result:
            pass
        for sequence in range(3):
            control.call("set", args={"trigger": "once"}, timeout_s=20)
            frame = next(frames)
            assert frame.sequence == sequence
            assert frame.t_capture_here_ns is not None
        assert control.call("status", timeout_s=20).result["published"] == 3


@pytest.mark.slow
def test_codec_options_of_a_recording_cannot_be_set(tmp_path: Path) -> None:
    record(tmp_path / "clip.mcap")
    with replaying(tmp_path / "clip.mcap", "", "--loop") as address:
        done = run("control", control_endpoint(address), "set", "quality=50")
        with ControlClient(control_endpoint(address)) as control:
            values = control.call("get", timeout_s=20).result
    assert done.returncode == 1
    assert values["codec"] == "svd-patch"
    assert "quality" not in values


@pytest.mark.parametrize(
    ("name", "cameras", "query", "code", "said"),
    [
        pytest.param("none.mcap", (), "", 1, "No such file", marks=pytest.mark.slow),
        pytest.param("text.mcap", (), "", 1, "text.mcap", marks=pytest.mark.slow),
        ("two.mcap", ("left", "right"), "", 1, "choose one with ?camera=NAME of left, right"),
        pytest.param(
            "two.mcap",
            ("left", "right"),
            "?camera=top",
            1,
            "the recording has: left, right",
            marks=pytest.mark.slow,
        ),
        ("clip.mcap", ("cam",), "?speed=0", 2, "speed = '0'"),
        pytest.param(
            "clip.mcap", ("cam",), "?fps=5", 2, "use speed instead of fps", marks=pytest.mark.slow
        ),
        pytest.param(
            "clip.mcap",
            ("cam",),
            "?start=5&end=3",
            2,
            "want more than start",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_cannot_be_replayed_is_refused_in_one_line(
    tmp_path: Path, name: str, cameras: tuple[str, ...], query: str, code: int, said: str
) -> None:
    if cameras:
        record(tmp_path / name, *cameras)
    elif name.startswith("text"):
        (tmp_path / name).write_text("no recording\n")
    done = run("send", "--source", f"replay:{tmp_path / name}{query}", "--bind", free_address())
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_recording_has_no_originals(tmp_path: Path) -> None:
    record(tmp_path / "clip.mcap")
    with (
        replaying(tmp_path / "clip.mcap", "", "--loop") as address,
        ControlClient(control_endpoint(address)) as control,
        pytest.raises(rankcast.RankcastError, match="no frame to send"),
    ):
        control.call("original", timeout_s=20)


@pytest.mark.parametrize(
    "setting", ["audit.dir", pytest.param("record.file", marks=pytest.mark.slow)]
)
def test_a_recording_is_neither_audited_nor_recorded_again(tmp_path: Path, setting: str) -> None:
    record(tmp_path / "clip.mcap")
    done = run("send", "--source", f"replay:{tmp_path / 'clip.mcap'}", "--bind", free_address(),
               "--set", f"{setting}={tmp_path / 'out.mcap'}")  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert f"got {setting} with a recording as the source" in done.stderr


def test_a_span_begins_at_once_although_frames_before_it_are_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times_ms = itertools.count(0, 100)
    monkeypatch.setattr(RecorderClock, "now_ns", lambda _: LONG_AGO_NS + next(times_ms) * 10**6)
    record(tmp_path / "clip.mcap")
    monkeypatch.undo()
    with (
        # Frames 20 to 28 lead to frame 29: at this speed they would take half a minute.
        replaying(
            tmp_path / "clip.mcap",
            "?start=2.85&speed=0.01",
            "--wait-viewers",
            "1",
            "--set",
            "network.queue_messages=32",
        ) as at,  # they come in one burst
        Subscriber(at, live=False, timeout_s=20) as viewer,
    ):
        assert [frame.sequence for frame in viewer] == list(range(20, FRAMES))


@pytest.mark.slow
def test_a_loop_of_one_frame_is_a_slow_one(tmp_path: Path) -> None:
    record(tmp_path / "clip.mcap")
    with (
        replaying(tmp_path / "clip.mcap", "?end=0.000001", "--loop", "--wait-viewers", "1") as at,
        Subscriber(at, live=False, timeout_s=20) as viewer,
    ):
        frames = iter(viewer)
        first_s = next(frames).t_capture_here_ns
        for _ in range(4):
            last_s = next(frames).t_capture_here_ns
    assert first_s is not None
    assert last_s is not None
    assert (last_s - first_s) / 1e9 >= 4 * 0.04, "20 frames a second without a rate"


@pytest.mark.slow
def test_a_camera_that_comes_late_in_the_recording_is_found(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "clip.mcap") as writer:
        for camera in ("first", "late"):
            encoder = rankcast.Encoder("raw")
            for number in range(1500 if camera == "first" else 2):
                packet = encoder.encode(scene(number, (16, 24), "uint8"))
                writer.write(camera, packet)
    with (
        replaying(tmp_path / "clip.mcap", "?camera=late", "--wait-viewers", "1") as address,
        Subscriber(address, live=False, timeout_s=20) as viewer,
    ):
        assert sum(1 for _ in viewer) == 2
    done = run("send", "--source", f"replay:{tmp_path / 'clip.mcap'}", "--bind", free_address())
    assert done.returncode == 1
    assert "choose one with ?camera=NAME of first, late" in done.stderr
