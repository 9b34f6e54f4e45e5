"""`aravis:` against Aravis's own fake GigE camera: real processes, the real protocol."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankcast.errors import RequestRefusedError
from rankcast.frame import Frame, Scalar
from rankcast.net import ControlClient, control_endpoint
from rankcast.runtime import CAMERA_GAP
from rankcast_receiver import Subscriber
from support.fake_gige import CAMERA_ID, SERIAL, fake_gige
from support.fakes import free_address
from support.processes import rankcast, run
from support.viewers import sending

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

    def next(self) -> Frame:
        return next(self._frames)

    def wait_for(self, shape: tuple[int, ...]) -> Frame:
        """Return the first frame of a shape; the time-out of the subscriber limits the wait."""
        while (frame := self.next()).pixels.shape != shape:
            pass
        return frame


def check_pattern(frame: Frame) -> None:
    """The fake camera sends diagonals, as they are at 10 ms without gain."""
    lines, columns = np.indices(frame.pixels.shape)
    assert (frame.pixels == (int(frame.pixels[0, 0]) + lines + columns) % 255).all()


def test_frames_arrive_with_ids_and_times_and_settings_change_while_they_do(
    tmp_path: Path,
) -> None:
    with (
        fake_gige(),
        sending(tmp_path, "--wait-viewers", "1", "--codec", "raw",
                source=f"{SOURCE}?exposure=10000&gain=0&fps=50") as sender,
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
        assert control(sender.address, "set", gain=3, fps=40) == {"gain": 3, "fps": 40.0}
        while frames.next().pixels.mean() < 200:  # brighter by the gain
            pass
        control(sender.address, "set", gain=0, exposure=10000)
        said = refusal(sender.address, exposure=1)
        assert said.endswith("got exposure = 1 microseconds, want 10 to 10000000")
        assert "the sensor has 2048 columns" in refusal(sender.address, offset_x=1900)

        # Another size is a key frame, and no fault.
        wanted = {"width": 320, "height": 240, "offset_x": 64, "offset_y": 32}
        assert control(sender.address, "set", **wanted) == wanted
        resized = frames.wait_for((240, 320))
        check_pattern(resized)
        check_pattern(frames.next())

        # A software trigger: one frame each.
        control(sender.address, "set", trigger="on", trigger_source="Software")
        sender.process.wait_line("cam: waiting")
        control(sender.address, "set", trigger="once")
        assert "trigger by itself" in refusal(sender.address, trigger="once", gain=1)
        control(sender.address, "set", trigger="off")
        last = frames.next().sequence
        while frames.next().sequence < last + 5:
            pass
        sender.stop()
        for _ in frames._frames:
            pass
        assert subscriber.balance().under_way == 0
        assert not subscriber.balance().lost
    report = sender.report()
    assert "Aravis Fake RC01, 320x240 Mono8" in report["source"]
    assert report["failures"] == 0
