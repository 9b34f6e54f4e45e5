"""Recorders as users run them: killed, on a full disk, without viewers, around events."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import rankcast
from rankcast.commands.control import control as control_command
from rankcast.images import read_image
from rankcast.recordings import RecordingReader, repair_segment, segments_of
from support.fakes import free_address
from support.grabbing import scripted_camera
from support.processes import Rankcast, read_report, run
from support.processes import rankcast as process
from support.recordings import frames_of
from support.sabotage import sabotaged

CONVEYOR = "synthetic:conveyor?width=160&height=120"
RECORDED = re.compile(r"recorded (\d+)")
TMPFS_BYTES = 2_000_000


def decoded(path: Path) -> dict[int, np.ndarray]:
    """Return the pictures of a recording by their sequence; every frame must decode."""
    with rankcast.Recording(path) as recording:
        found = {frame.sequence: frame.pixels.copy() for frame in recording}
        assert recording.lost == 0
    return found


def recorded_in(line: str) -> int:
    match = RECORDED.search(line)
    return int(match[1]) if match else 0


def acknowledged(receiver: Rankcast) -> int:
    """Return the largest number of recorded frames that a process has named."""
    return max(map(recorded_in, receiver.lines), default=0)


def received(receiver: Rankcast) -> int:
    """Return the largest number of received frames that a process has named."""
    found = [re.search(r"received (\d+)", line) for line in receiver.lines]
    return max((int(match[1]) for match in found if match), default=0)


def test_a_recording_has_the_very_pictures_that_a_saving_receiver_has(tmp_path: Path) -> None:
    address, path, folder = free_address(), tmp_path / "a.mcap", tmp_path / "saved"
    with (
        process("receive", "--connect", address, "--record", str(path), "--timeout", "30",
                "--report", str(tmp_path / "r.json")) as recorder,
        process("receive", "--connect", address, "--save", str(folder),
                "--timeout", "30") as saver,
        process("send", "--source", CONVEYOR, "--bind", address, "--frames", "30",
                "--no-realtime", "--wait-viewers", "2") as sender,
    ):  # fmt: skip
        assert sender.wait() == 0, sender.lines
        assert recorder.wait() == 0, recorder.lines
        assert saver.wait() == 0, saver.lines
    report = read_report(tmp_path / "r.json")
    assert report["recorded"] == report["delivered"] == report["published"] == 30
    assert report["balanced"]
    pictures = decoded(path)
    assert list(pictures) == list(range(30))
    for file in folder.iterdir():
        sequence = int(file.name.split("_")[1])
        assert np.array_equal(read_image(file), pictures.pop(sequence))
    assert pictures == {}
    with RecordingReader(path) as reader:
        assert {message.kind for message in reader} == {"frames", "status", "ledger"}


@pytest.mark.slow
def test_enough_recorded_frames_end_the_receiver(tmp_path: Path) -> None:
    address, path = free_address(), tmp_path / "a.mcap"
    with (
        process("send", "--source", CONVEYOR, "--bind", address),
        process("receive", "--connect", address, "--record", str(path), "--frames", "10",
                "--timeout", "30") as recorder,
    ):  # fmt: skip
        assert recorder.wait() == 0, recorder.lines
    assert len(decoded(path)) == 10


def kill(times: int, folder: Path, seed: int) -> int:
    """Kill a recording receiver at random, again and again; return the frames it named."""
    chance, address, total = random.Random(seed), free_address(), 0
    with process("send", "--source", CONVEYOR, "--bind", address, "--fps", "60",
                 "--set", "codec.keyframe_interval_s=0.5", "--audit", str(folder / "audit"),
                 "--audit-every", "1000000"):  # fmt: skip
        for number in range(times):
            path = folder / f"{number}.mcap"
            with process("receive", "--connect", address, "--record", str(path), "--verbose",
                         "--set", "record.segment_s=1") as recorder:  # fmt: skip
                recorder.wait_match("recorded [1-9]")
                # Anywhere within the second after the line.
                time.sleep(chance.uniform(0.0, 1.0))
                recorder.signal(signal.SIGKILL)
                recorder.wait()
            named = acknowledged(recorder)  # its last words, from its guard, are among the lines
            total += named
            before = frames_of(path)["cam"]
            assert len(before) >= named, f"kill {number} of seed {seed}"
            for _, file in segments_of(path):
                if file.stat().st_size:  # killed as it was created
                    assert repair_segment(file).damage.lost_places == 0
            assert frames_of(path)["cam"] == before
            assert len(decoded(path)) == len(before)
            for _, file in segments_of(path):
                file.unlink()
    return total


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL of POSIX")
@pytest.mark.timeout(180)
def test_a_receiver_that_is_killed_loses_no_frame_that_it_called_recorded(tmp_path: Path) -> None:
    assert kill(6, tmp_path, seed=1) > 6


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL of POSIX")
@pytest.mark.parametrize("seed", range(10))
def test_200_receivers_that_are_killed_lose_no_frame_that_they_called_recorded(
    tmp_path: Path, seed: int
) -> None:
    assert kill(20, tmp_path, seed) > 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small file system")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "rankcast-test", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this container must not mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(file: Path) -> None:
    """Take all that is free on a disk."""
    filler = os.open(file, os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            os.write(filler, bytes(512))
    except OSError:
        assert shutil.disk_usage(file.parent).free == 0
    finally:
        os.close(filler)


@pytest.mark.slow
def test_a_disk_that_is_full_costs_the_live_view_nothing_and_recording_goes_on(
    tmp_path: Path, small_disk: Path
) -> None:
    address, path = free_address(), small_disk / "a.mcap"
    filler, report = small_disk / "filler", tmp_path / "r.json"
    with (
        process("send", "--source", CONVEYOR, "--bind", address, "--fps", "30"),
        # Live mode, as with a window: recording must not hold up what is shown.
        process("receive", "--connect", address, "--record", str(path), "--verbose",
                "--set", "stream.mode=live", "--report", str(report)) as receiver,
    ):  # fmt: skip
        receiver.wait_match("recorded [1-9]")
        fill(filler)
        receiver.wait_line("No space left on device: free some space")
        receiver.wait_match("not recorded .*waiting_for_keyframe")
        stuck, seen = acknowledged(receiver), received(receiver)
        while received(receiver) < seen + 10:  # the pictures go on
            receiver.wait_new_line("fps", len(receiver.lines))
        assert acknowledged(receiver) == stuck
        filler.unlink()
        while acknowledged(receiver) <= stuck:
            receiver.wait_new_line("fps", len(receiver.lines))
        assert receiver.stop(signal.SIGTERM, 5.0) == 0, receiver.lines
    values = read_report(report)
    assert values["balanced"], values
    lost = values["sinks"]["record"]["lost"]
    assert lost["sink"] >= 1
    assert lost["waiting_for_keyframe"] >= 1
    assert values["recorded"] == values["sinks"]["record"]["delivered"]
    assert len(segments_of(path)) >= 2
    assert len(decoded(path)) == values["recorded"]
    # The live view skips frames on a busy machine, and misses none.
    assert set(values["cameras"]["cam"]["lost"]) <= {"skipped_as_old", "stopped"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("absent/a.mcap", "its folder does not exist"),
        pytest.param("a.mkv", "want a name that ends in .mcap", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("command", ["send", pytest.param("receive", marks=pytest.mark.slow)])
def test_a_recording_that_cannot_be_made_is_one_line(
    tmp_path: Path, command: str, name: str, says: str
) -> None:
    where = ["--source", CONVEYOR, "--bind", free_address()] if command == "send" else []
    done = run(command, "--record", str(tmp_path / name), *where)
    assert done.returncode in (1, 2), done.stderr
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_sender_records_what_it_publishes_without_any_viewer(tmp_path: Path) -> None:
    path, originals, report = tmp_path / "a.mcap", tmp_path / "audit", tmp_path / "s.json"
    done = run("send", "--source", CONVEYOR, "--bind", free_address(), "--frames", "20",
               "--codec", "lossless", "--no-realtime", "--record", str(path),
               "--audit", str(originals), "--audit-every", "1", "--report", str(report),
               )  # fmt: skip
    assert done.returncode == 0, done.stderr
    values = read_report(report)
    assert (values["recorded"], values["published"], values["lost"]) == (20, 20, {})
    assert values["cameras"]["cam"]["not_recorded"] == {}
    pictures = decoded(path)
    assert list(pictures) == list(range(20))
    for sequence, pixels in pictures.items():
        assert np.array_equal(read_image(originals / f"cam_{sequence:09d}.png"), pixels)
    with RecordingReader(path) as reader:
        assert {message.kind for message in reader} == {"frames", "status", "ledger"}


def test_the_packets_that_a_sender_records_are_those_that_viewers_get(tmp_path: Path) -> None:
    address, sent, seen = free_address(), tmp_path / "sent.mcap", tmp_path / "seen.mcap"
    with (
        process("receive", "--connect", address, "--record", str(seen),
                "--timeout", "30") as viewer,
        process("send", "--source", CONVEYOR, "--bind", address, "--frames", "30",
                "--no-realtime", "--wait-viewers", "1", "--record", str(sent)) as sender,
    ):  # fmt: skip
        assert sender.wait() == 0, sender.lines
        assert viewer.wait() == 0, viewer.lines
    assert frames_of(sent) == frames_of(seen)


@pytest.mark.slow
def test_both_ends_record_events_around_signals_and_requests(tmp_path: Path) -> None:
    address = free_address()
    control = f"127.0.0.1:{int(address.rpartition(':')[2]) + 10}"
    around = ("--pre-trigger", "0.5", "--post-trigger", "0.5")
    with (
        process("send", "--source", CONVEYOR, "--bind", address, "--fps", "30", "--set",
                "codec.keyframe_interval_s=0.5", "--record", str(tmp_path / "s.mcap"),
                *around) as sender,
        process("receive", "--connect", address, "--record", str(tmp_path / "r.mcap"), "--verbose",
                *around) as receiver,
    ):  # fmt: skip
        receiver.wait_match(r"received [1-9]\d")
        assert "events = yes" in run("control", control, "status").stdout
        done = run("control", control, "record", "cause=ejector")
        assert (done.returncode, done.stdout) == (0, "cause = ejector\n"), done.stderr
        sender.wait_line("complete")
        sender.signal(signal.SIGUSR1)
        receiver.signal(signal.SIGUSR1)
        receiver.wait_line("complete")
        sender.wait_line("signal.mcap: complete")
        refused = run("control", control, "record", "cause=a b")
        assert refused.returncode == 1
        assert "want 1 to 32 of a-z, 0-9 and _" in refused.stderr
        assert sender.stop(signal.SIGTERM) == 0, sender.lines
        assert receiver.wait() == 0, receiver.lines
    names = sorted(re.sub(r"\d{8}T\d{6}\.\d{3}Z", "UTC", file.name) for file in tmp_path.iterdir())
    assert names == ["r-UTC-signal.mcap", "s-UTC-ejector.mcap", "s-UTC-signal.mcap"]
    for file in tmp_path.iterdir():
        assert len(decoded(file)) >= 15


@pytest.mark.slow
def test_an_input_of_the_camera_that_rises_starts_an_event(tmp_path: Path) -> None:
    with process(
        "send", "--source", "camera:0", "--bind", free_address(), "--set",
        "codec.keyframe_interval_s=0.5", "--record", str(tmp_path / "s.mcap"), "--pre-trigger",
        "0.5", "--post-trigger", "0.5", "--set", "record.trigger_meta=line",
        **scripted_camera(tmp_path / "device", "low*60 high", interval_s=0.02),
    ) as sender:  # fmt: skip
        sender.wait_line("line.mcap: complete")
        assert sender.stop(signal.SIGTERM) == 0, sender.lines
    (file,) = tmp_path.glob("*.mcap")  # the input stays high: one event
    with rankcast.Recording(file) as recording:
        states = [frame.meta["line"] for frame in recording]
    assert states == sorted(states)
    assert {*states} == {False, True}


@pytest.mark.slow
def test_a_sender_that_records_no_events_says_how_to(tmp_path: Path) -> None:
    address = free_address()
    control = f"127.0.0.1:{int(address.rpartition(':')[2]) + 10}"
    with process("send", "--source", CONVEYOR, "--bind", address,
                 "--record", str(tmp_path / "a.mcap")) as sender:  # fmt: skip
        sender.wait_line("control channel")
        done = run("control", control, "record")
    assert done.returncode == 1
    assert "start it with --record FILE.mcap and --pre-trigger S or --post-trigger S" in done.stderr


BREAK = """
def break_later(self):
    original(self)
    if self.recorded >= 10:
        raise {error}("the recorder is broken")

return break_later
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "error",
    [
        "ValueError",
        pytest.param("__import__('rankcast').errors.RecordingError", marks=pytest.mark.slow),
    ],
)
def test_a_sender_whose_recording_ends_says_so_at_once_and_streams_on(
    tmp_path: Path, error: str
) -> None:
    address, report = free_address(), tmp_path / "s.json"
    broken = sabotaged(
        tmp_path / "broken", "rankcast.recorder.recorder:Recorder.idle", BREAK.format(error=error)
    )
    with (
        process("receive", "--connect", address, "--frames", "60",
                "--timeout", "30") as viewer,
        process("send", "--source", CONVEYOR, "--bind", address, "--fps", "30",
                "--record", str(tmp_path / "a.mcap"), "--report", str(report),
                **broken) as sender,
    ):  # fmt: skip
        sender.wait_line("the recorder is broken; the stream goes on without it")
        assert viewer.wait() == 0, viewer.lines
        assert sender.stop(signal.SIGTERM) == 1, sender.lines
    told = [line for line in sender.lines if "the stream goes on without it" in line]
    assert len(told) == 1
    values = read_report(report)
    assert values["balanced"]
    assert (
        values["recorded"] + sum(values["cameras"]["cam"]["not_recorded"].values())
        == (values["published"])
    )


@pytest.mark.slow
def test_a_sender_whose_recorder_has_failed_offers_no_events_any_more(tmp_path: Path) -> None:
    address = free_address()
    control = f"127.0.0.1:{int(address.rpartition(':')[2]) + 10}"
    broken = sabotaged(
        tmp_path / "broken",
        "rankcast.recorder.event_recorder:EventRecorder.idle",
        """
        def idle(*_):
            from rankcast.errors import RecordingError
            raise RecordingError("the disk is gone")
        return idle
        """,
    )
    with process(
        "send", "--source", CONVEYOR, "--bind", address, "--record", str(tmp_path / "s.mcap"),
        "--pre-trigger", "1", **broken,
    ) as sender:  # fmt: skip
        sender.wait_line("has ended: the disk is gone; the stream goes on without it")
        ends_s = time.monotonic() + 20.0
        # In this process: the statement is about the sender.
        while "events = no" not in CliRunner().invoke(control_command, [control, "status"]).output:
            assert time.monotonic() < ends_s
        refused = run("control", control, "record")
        assert refused.returncode == 1
        assert "this sender records no events" in refused.stderr
        assert sender.stop(signal.SIGTERM) == 1, sender.lines
