"""Cameras in a process of their own: frames, faults and deadlines, with real processes."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rankcast.boot_clock import boot_ns
from rankcast.errors import SettingsError, SourceError
from rankcast_sender.grabber import DeviceOptions, DeviceSource, grabber_process
from rankcast_sender.sources import secrets_of
from support.grabbing import grabbing, scripted, take
from support.scripted_device import URL


def test_frames_arrive_in_order_with_their_pixels() -> None:
    with grabbing("frame") as source:
        frames = take(source, 20)
        assert frames[-1].frame <= 19 + source.replaced
    assert all((frame.pixels == frame.frame + 1).all() for frame in frames)
    assert {frame.pixels.shape for frame in frames} == {(6, 8)}
    assert 0 < frames[0].t_capture_mono_ns < frames[1].t_capture_mono_ns


def test_a_larger_frame_gets_a_larger_ring_and_every_frame_keeps_its_number() -> None:
    with grabbing("frame*3 big*3 frame", interval_s=0.1) as source:
        frames = take(source, 9)
        assert source.gaps == 0
    for frame in frames:
        assert frame.pixels.shape == ((48, 64) if 3 <= frame.frame < 6 else (6, 8))
        assert (frame.pixels == frame.frame + 1).all()


def test_a_packed_frame_is_unpacked_with_its_bits_and_its_colour_filter_array() -> None:
    with grabbing("packed") as source:
        (frame,) = take(source, 1)
    assert frame.pixels.tolist() == [[0xABC, 0xDEF], [0x456, 0x123]]
    assert frame.pixels.dtype == "uint16"
    assert (frame.significant_bits, frame.cfa) == (12, "RGGB")


def test_the_state_of_a_line_is_metadata_of_the_frame() -> None:
    with grabbing("low*2 high*2 frame") as source:
        frames = take(source, 5)
    states = [False, False, True, True]
    assert [frame.meta for frame in frames] == [*({"line": state} for state in states), {}]


def test_frames_that_the_device_lost_leave_gaps_in_the_numbers() -> None:
    with grabbing("frame lost*2 frame") as source:
        frames = take(source, 2)
        assert source.gaps == 6
    assert [frame.frame for frame in frames] == [0, 7]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("gone", "scripted camera is gone: check its cable"),
        ("crash", "ended by SIGSEGV"),
        ("exit", "ended with code 7"),
        ("odd", "delivers 48 bytes for a frame of 9x6x1"),
        ("unknown", "got pixel format 'Coord3D_C8', want one of Mono8, "),
        ("short", "delivers 5 bytes for 2x2 pixels of Mono12p, want 6"),
        ("forged", "sent 'slot' = -1"),
    ],
)
def test_a_device_that_fails_is_one_line_after_its_last_frame(step: str, message: str) -> None:
    with grabbing(f"frame*3 {step}") as source:
        frames = iter(source)
        assert [next(frames).frame for _ in range(3)] == [0, 1, 2]
        with pytest.raises(SourceError, match=message) as caught:
            next(frames)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("step", ["hang", "deaf", "spawn"])
def test_a_read_that_never_returns_ends_its_process_within_two_seconds(step: str) -> None:
    with grabbing(f"frame*3 {step}") as source:
        frames = iter(source)
        for _ in range(3):
            next(frames)
        before_s = time.monotonic()
        with pytest.raises(SourceError, match="a read has not returned"):
            next(frames)
        assert time.monotonic() - before_s < 2


@pytest.mark.parametrize(
    ("end", "message"), [("gone", "check its cable"), ("exit", "ended with code 7")]
)
def test_what_a_driver_has_started_ends_with_a_process_that_ends_by_itself(
    end: str, message: str, tmp_path: Path
) -> None:
    orphan = tmp_path / "orphan"
    with grabbing(f"frame orphan {end}", orphan=str(orphan)) as source:
        with pytest.raises(SourceError, match=message):
            list(source)
        descriptors = len(os.listdir("/proc/self/fd"))
    assert len(os.listdir("/proc/self/fd")) < descriptors
    ends_s = time.monotonic() + 5
    while _runs(int(orphan.read_text())):  # it closes its files before it is gone
        assert time.monotonic() < ends_s
        time.sleep(0.01)


def test_a_thread_that_cannot_end_keeps_no_camera_from_being_opened_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(grabber_process, "READERS_S", 0.2)
    source = DeviceSource(scripted("frame daemon gone"), DeviceOptions(freeze_s=0))
    source.open()
    with pytest.raises(SourceError, match="check its cable"):
        list(source)
    source.close()  # a process that is not in the group holds standard error
    assert "rankcast-driver did not stop" in caplog.text
    for thread in threading.enumerate():
        if thread.name == "rankcast-driver":
            thread.join(5)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_silent_device_fails_after_its_time_out() -> None:
    with grabbing("frame none", timeout_s=0.5) as source:
        frames = iter(source)
        next(frames)
        with pytest.raises(SourceError, match=r"no frame for 0\.[5-9] s, .*timeout_s=0.5"):
            next(frames)


def test_an_impossible_option_is_a_settings_error_and_a_missing_device_is_not() -> None:
    with (
        pytest.raises(SettingsError, match="the sensor has 8 columns"),
        grabbing("open-impossible"),
    ):
        pass
    with pytest.raises(SourceError, match="check its cable"), grabbing("open-gone"):
        pass


def test_a_closed_source_leaves_no_process_and_closes_its_device(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    with grabbing("frame", closed=str(closed)) as source:
        take(source, 3)
        pid = source.pid
    assert closed.read_text() == "closed\n"
    assert not os.path.exists(f"/proc/{pid}")


def test_an_interrupt_ends_the_wait_for_a_device_that_does_not_open() -> None:
    source = DeviceSource(scripted("open-hang frame"), DeviceOptions())
    interrupter = threading.Timer(0.2, source.interrupt)
    interrupter.start()
    before_s = time.monotonic()
    source.open()
    assert list(source) == []
    source.close()
    interrupter.join()
    assert time.monotonic() - before_s < 3


def test_a_device_that_does_not_open_in_time_is_killed() -> None:
    spec = replace(scripted("open-hang frame"), open_s=0.5)
    source = DeviceSource(spec, DeviceOptions())
    with pytest.raises(SourceError, match=r"was not open after 0\.5 s"):
        source.open()
    source.close()


def test_a_process_that_was_stopped_is_killed() -> None:
    with grabbing("frame") as source:
        frames = iter(source)
        next(frames)
        os.kill(source.pid, signal.SIGSTOP)
        with pytest.raises(SourceError, match="a read has not returned"):
            list(frames)


def test_in_real_time_the_newest_frame_is_taken_and_the_rest_is_counted() -> None:
    with grabbing("frame", newest_wins=True, interval_s=0.01) as source:
        frames = iter(source)
        next(frames)
        threading.Event().wait(0.5)  # a consumer that is busy
        frame = next(frames)
        assert source.replaced == frame.frame - 1
        assert frame.frame >= 20
        assert frame.pixels[0, 0] == frame.frame + 1
        assert boot_ns() - frame.t_capture_mono_ns < 300_000_000


@pytest.mark.parametrize("script", ["frame", "frame big"])
def test_a_consumer_that_takes_its_time_is_not_taken_for_a_device_that_hangs(script: str) -> None:
    with grabbing(script, newest_wins=False) as source:
        frames = iter(source)
        next(frames)
        threading.Event().wait(1.5)  # longer than a read may take
        numbers = [next(frames).frame for _ in range(8)]
        assert numbers == sorted(set(numbers))
        assert source.replaced > 0


def test_what_a_driver_prints_is_logged_without_credentials_and_harms_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    spec = scripted("frame print*30 frame", secrets=secrets_of(URL))
    source = DeviceSource(spec, DeviceOptions(freeze_s=0))
    source.open()
    take(source, 5)
    source.close()
    printed = [record.getMessage() for record in caplog.records if "driver" in record.message]
    assert any("on stderr" in line for line in printed)
    assert any("straight to descriptor 1" in line for line in printed)
    assert any("cannot reach" in line for line in printed)
    assert "s3cret" not in caplog.text
    assert len(printed) <= 20, "a driver cannot flood the log"


def test_a_camera_that_repeats_a_frame_is_frozen_until_it_does_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with grabbing("frame same*30 frame", freeze_s=0.1) as source:
        seen = [source.frozen for _ in itertools.islice(iter(source), 40)]
    assert seen[0] is False
    assert True in seen
    assert seen[-1] is False
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "scripted is frozen: it has repeated one frame for 0.1 s", "scripted is not frozen any more"
    ]  # fmt: skip


@pytest.mark.slow
def test_two_hundred_flaps_leave_nothing_behind() -> None:
    threads = threading.active_count()
    for flap in range(200):
        with grabbing("frame*2 gone" if flap % 2 else "frame*2 crash") as source:
            frames = iter(source)
            assert [next(frames).frame, next(frames).frame] == [0, 1]
            with pytest.raises(SourceError):
                next(frames)
        if flap == 10:
            descriptors = len(os.listdir("/proc/self/fd"))
            resident_kb = _resident_kb()
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert _resident_kb() - resident_kb < 4096
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def _resident_kb() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")
