"""`aravis:` against Aravis's own fake GigE camera: real processes, the real protocol."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankcast.errors import RequestRefusedError, SourceError
from rankcast.frame import Frame, Scalar
from rankcast.net import ControlClient, control_endpoint
from rankcast.runtime import CAMERA_GAP
from rankcast_receiver import Subscriber
from support.fake_gige import SERIAL, fake_gige, opened
from support.fakes import free_address
from support.processes import run
from support.viewers import Sender, sending

pytestmark = pytest.mark.slow

SOURCE = f"aravis:{SERIAL}"
WAIT_S = 40.0


def control(address: str, op: str, **args: Scalar) -> Any:
    """The result that a sender answers."""
    with ControlClient(control_endpoint(address)) as client:
        return client.call(op, args=args, timeout_s=20).result


def refusal(address: str, **args: Scalar) -> str:
    """Why the sender did not set `args`."""
    with pytest.raises(RequestRefusedError) as caught:
        control(address, "set", **args)
    return str(caught.value)


class Frames:
    """The frames of a sender, one by one."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._frames = iter(subscriber)

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def next(self) -> Frame:
        """Wait for the next frame."""
        return next(self._frames)

    def wait_for(self, shape: tuple[int, ...]) -> Frame:
        """Return the first frame of a shape; the time-out of the subscriber limits the wait."""
        while (frame := self.next()).pixels.shape != shape:
            pass
        return frame


def check_pattern(frame: Frame) -> None:
    """Compare with the diagonals that the fake camera sends at 10 ms without gain."""
    lines, columns = np.indices(frame.pixels.shape)
    assert (frame.pixels == (int(frame.pixels[0, 0]) + lines + columns) % 255).all()


def test_frames_arrive_with_ids_and_times_and_settings_change_while_they_do(
    tmp_path: Path,
) -> None:
    with (
        fake_gige(),
        sending(tmp_path, "--wait-viewers", "1", "--codec", "lossless",
                source=f"{SOURCE}?exposure=10000&gain=0&fps=20") as sender,
        Subscriber(sender.address, live=False, timeout_s=WAIT_S) as subscriber,
    ):  # fmt: skip
        frames = Frames(subscriber)
        first = frames.next()
        assert first.pixels.shape == (512, 512)
        check_pattern(first)
        second = frames.next()
        assert first.device_frame_id
        assert second.device_frame_id > first.device_frame_id
        passed_ns = second.device_time_ns - first.device_time_ns
        assert abs(passed_ns - (second.t_capture_mono_ns - first.t_capture_mono_ns)) < 0.2e9
        assert 0 < time.time_ns() - second.t_capture_utc_ns < 10e9

        # Settings come back as the camera took them.
        assert control(sender.address, "get")["exposure"] == 10000.0
        done = run("control", control_endpoint(sender.address), "set", "exposure=5000", "--json")
        assert json.loads(done.stdout) == {"exposure": 5000.0}, done.stderr
        assert control(sender.address, "set", gain=3, fps=25) == {"gain": 3, "fps": 25.0}
        while frames.next().pixels.mean() < 200:  # brighter by the gain
            pass
        control(sender.address, "set", gain=0, exposure=10000)
        said = refusal(sender.address, exposure=1)
        assert said.endswith("got exposure = 1 microseconds, want 10 to 10000000")
        assert "the sensor has 2048 columns" in refusal(sender.address, offset_x=1900)

        while frames.next().pixels.mean() > 200:
            pass
        check_pattern(frames.next())
        finish(sender, frames, subscriber)
    report = sender.report()
    assert f"{SOURCE} Aravis Fake {SERIAL}, " in report["source"]
    assert report["cameras"]["cam"]["failures"] == 0


def finish(sender: Sender, frames: Frames, subscriber: Subscriber) -> None:
    """End the sender; nothing was lost on the way, and both ledgers balance."""
    sender.stop()
    for _ in frames:
        pass
    assert subscriber.balance().under_way == 0
    assert not subscriber.balance().lost
    sender.report()


def test_another_size_is_a_key_frame_and_a_trigger_sets_the_pace(tmp_path: Path) -> None:
    with (
        fake_gige(),
        sending(tmp_path, "--wait-viewers", "1", "--codec", "svd-patch",
                "--set", "codec.gop=100000", "--set", "codec.keyframe_interval_s=0",
                source=f"{SOURCE}?width=320&height=240&fps=20") as sender,
        Subscriber(sender.address, live=False, timeout_s=WAIT_S) as subscriber,
    ):  # fmt: skip
        frames = Frames(subscriber)
        while (frame := frames.next()).coding.key:
            assert frame.pixels.shape == (240, 320)
        wanted = {"width": 256, "height": 192, "offset_x": 64, "offset_y": 32}
        assert control(sender.address, "set", **wanted) == wanted
        assert frames.wait_for((192, 256)).coding.key
        assert not frames.next().coding.key

        control(sender.address, "set", trigger="on", trigger_source="Software")
        sender.process.wait_line("cam: waiting")
        assert "trigger by itself" in refusal(sender.address, trigger="once", gain=1)
        before = published(sender.address)
        for _ in range(3):
            control(sender.address, "set", trigger="once")
        while published(sender.address) < before + 3:
            pass
        control(sender.address, "set", trigger="off")
        while frames.next().sequence < before + 8:
            pass
        finish(sender, frames, subscriber)


def published(address: str) -> int:
    """How many frames the sender has published."""
    return int(control(address, "status")["published"])


def test_frames_that_arrive_without_all_packets_are_counted_and_the_others_are_whole(
    tmp_path: Path,
) -> None:
    with (
        fake_gige(lost_per_thousand=5),
        sending(tmp_path, "--wait-viewers", "1", "--codec", "raw",
                source=f"{SOURCE}?exposure=10000&gain=0&fps=50&resend=off") as sender,
        Subscriber(sender.address, live=False, timeout_s=WAIT_S) as subscriber,
    ):  # fmt: skip
        frames = Frames(subscriber)
        first = last = frames.next()
        check_pattern(first)
        received = 1
        while last.device_frame_id - first.device_frame_id < 40:
            last = frames.next()
            check_pattern(last)
            received += 1
        sender.stop()
    report = sender.report()
    # About 187 packets of 1400 bytes a frame, one in two hundred of which is lost: six frames of
    # ten are not whole.
    missing = last.device_frame_id - first.device_frame_id + 1 - received
    assert 10 <= missing <= sum(report["lost"].values())
    assert report["lost"][CAMERA_GAP] >= 10
    assert report["cameras"]["cam"]["failures"] == 0


def test_a_camera_that_was_switched_off_and_on_again_goes_on(tmp_path: Path) -> None:
    with (
        fake_gige() as camera,
        sending(tmp_path, "--codec", "raw", source=f"{SOURCE}?fps=50&timeout_s=1") as sender,
        Subscriber(sender.address, live=False, timeout_s=WAIT_S) as subscriber,
    ):
        frames = Frames(subscriber)
        before = [frames.next() for _ in range(5)][-1]
        camera.kill()
        sender.process.wait_line("cam: aravis:RC01 delivered no frame for")
        sender.process.wait_line("aravis:RC01 is not there: no camera answers here")
        camera.start()
        after = frames.wait_for((512, 512))
        while after.t_capture_mono_ns < before.t_capture_mono_ns + 1_000_000_000:
            after = frames.next()
        assert after.stream_id == before.stream_id
        assert after.frame > before.frame
        sender.stop()
        for _ in frames:
            pass
        assert subscriber.balance().under_way == 0
    assert sender.report()["cameras"]["cam"]["failures"] >= 2


def test_a_camera_that_vanishes_while_a_trigger_is_awaited_is_missed_by_its_heartbeat() -> None:
    with fake_gige() as camera, opened(f"{SOURCE}?trigger=on&trigger_source=Line0") as source:
        assert source.frame_interval_s is None
        camera.kill()
        with pytest.raises(SourceError, match=r"aravis:RC01 is gone, or another program has taken"):
            next(iter(source))


def test_a_grabber_process_that_was_killed_gets_its_camera_back() -> None:
    with fake_gige():
        with opened(SOURCE) as source:
            frames = iter(source)
            next(frames)
            os.kill(source._process.pid, signal.SIGKILL)
            killed_s = time.monotonic()
            with pytest.raises(SourceError, match="was ended by SIGKILL"):
                list(frames)
        # The camera keeps to the dead process until it has missed its heartbeat for 3 s.
        reopened = False
        while not reopened:
            assert time.monotonic() - killed_s < WAIT_S
            with suppress(SourceError), opened(SOURCE) as source:
                reopened = next(iter(source)).pixels.shape == (512, 512)


@pytest.mark.parametrize(
    ("source", "code", "line"),
    [
        ("aravis:RC99", 1, "aravis:RC99 is not there: want one of Aravis-Fake-RC01 (127.0.0.1)"),
        (
            "aravis:RC01?exposure=1",
            2,
            "aravis:RC01: got exposure = 1 microseconds, want 10 to 10000000",
        ),
    ],
)
def test_what_the_camera_does_not_allow_ends_the_sender_with_one_line(
    source: str, code: int, line: str
) -> None:
    with fake_gige():
        done = run(
            "send", "--source", source, "--set", "camera.retry=false", "--bind", free_address()
        )
    assert done.returncode == code, done.stderr
    said = [text for text in done.stderr.splitlines() if " INFO " not in text]
    assert len(said) == 1, done.stderr
    assert said[0].startswith(f"rankcast: {line}")
