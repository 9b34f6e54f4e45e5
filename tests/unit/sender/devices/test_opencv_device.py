"""The device of OpenCV: settings read back, failures told in one line, time-outs that it keeps."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from rankcast_sender.devices import opencv_device
from rankcast_sender.devices.device import DeviceError, DeviceState, RefusedValueError
from rankcast_sender.devices.opencv_device import OpenCVDevice
from rankcast_sender.grabber import CameraOptions, StreamOptions

PICTURE = np.full((48, 64, 3), 90, np.uint8)


class FakeClock:
    """Stands in for the module's clock; pausing advances it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return 10**18 + round(self.now * 1e9)

    def boot_ns(self) -> int:
        return round(self.now * 1e9)

    def pause(self, duration_s: float) -> None:
        self.now += duration_s


class FakeCapture:
    """A camera that plays a script: pictures, None for a failed grab, exceptions to raise."""

    def __init__(
        self,
        script: Iterable[Any] = (),
        fixed: dict[int, float] | None = None,
        opened: bool = True,
        backend: str = "FAKE",
    ) -> None:
        self.script = deque(script)
        self.fixed = fixed or {}
        self.opened = opened
        self.backend = backend
        self.values: dict[int, float] = {
            cv2.CAP_PROP_FRAME_WIDTH: 640,
            cv2.CAP_PROP_FRAME_HEIGHT: 480,
            cv2.CAP_PROP_FPS: 30,
        }
        self.asked: list[tuple[int, float]] = []
        self.released = 0
        self.picture: Any = None

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self.opened

    def set(self, prop: int, value: float) -> bool:
        self.asked.append((prop, value))
        if prop in self.fixed:
            return False
        self.values[prop] = value
        return True

    def get(self, prop: int) -> float:
        return self.fixed.get(prop, self.values.get(prop, 0.0))

    def getBackendName(self) -> str:  # noqa: N802 - OpenCV's name
        return self.backend

    def grab(self) -> bool:
        self.picture = self.script.popleft() if self.script else None
        if isinstance(self.picture, Exception):
            raise self.picture
        return self.picture is not None

    def retrieve(self) -> tuple[bool, Any]:
        return (False, None) if isinstance(self.picture, str) else (True, self.picture)

    def release(self) -> None:
        self.released += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    fake = FakeClock()
    monkeypatch.setattr(opencv_device, "time", fake)
    monkeypatch.setattr(opencv_device, "boot_ns", fake.boot_ns)
    return fake


def options(path: str = "0", name: str = "", **given: Any) -> dict[str, Any]:
    return {
        **CameraOptions(**given).model_dump(),
        "path": path, "name": name or f"camera:{path}", "open_s": 5.0, "read_s": 2.0,
    }  # fmt: skip


def stream(url: str, backend: str) -> dict[str, Any]:
    return {
        **StreamOptions().model_dump(), "backend": backend,
        "path": url, "name": url, "open_s": 5.0, "read_s": 2.0,
    }  # fmt: skip


def opened(
    capture: FakeCapture, clock: FakeClock | None = None, path: str = "0", **given: Any
) -> tuple[OpenCVDevice, DeviceState]:
    device = OpenCVDevice(lambda *_: capture, clock.pause if clock else time.sleep)
    return device, device.open(options(path, **given))


def test_source_and_back_end_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2.videoio_registry, "hasBackend", lambda _: True)
    calls: list[tuple[Any, int, list[int]]] = []

    def record(source: Any, backend: int, parameters: list[int]) -> FakeCapture:
        calls.append((source, backend, parameters))
        return FakeCapture()

    OpenCVDevice(record).open(options("0"))
    OpenCVDevice(record).open(options("12", backend="msmf"))
    OpenCVDevice(record).open(options(os.devnull, backend="v4l2"))
    OpenCVDevice(record).open(stream("rtsp://host/a", backend="gstreamer"))
    assert calls == [
        (0, cv2.CAP_ANY, []),
        (12, cv2.CAP_MSMF, []),
        (os.devnull, cv2.CAP_V4L2, []),
        ("rtsp://host/a", cv2.CAP_GSTREAMER, []),
    ]


def test_a_back_end_that_opencv_lacks_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(RefusedValueError, match=r"backend=msmf, which .* want one of any, v4l2"):
        OpenCVDevice().open(options("0", backend="msmf"))


def test_a_url_is_opened_for_a_network_camera_alone() -> None:
    with pytest.raises(DeviceError, match="no such device"):
        OpenCVDevice(lambda *_: FakeCapture()).open(options("rtsp://host/a", name="camera"))


def test_ffmpeg_gets_its_time_outs_while_it_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "")  # the device sets a missing one
    calls: list[list[int]] = []

    def record(_source: Any, backend: int, parameters: list[int]) -> FakeCapture:
        assert backend == cv2.CAP_FFMPEG
        calls.append(parameters)
        return FakeCapture()

    state = OpenCVDevice(record).open(stream("http://host/a", backend="ffmpeg"))
    assert calls == [[cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 5000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 2000]]
    assert state.longest_read_s == 2.0


def test_settings_are_read_back_and_described() -> None:
    capture = FakeCapture()
    _, state = opened(capture, width=1280, height=720, fps=50, fourcc="MJPG", exposure=-6, gain=4)
    assert state.description == "camera:0 FAKE 1280x720, MJPG, 50 fps, exposure -6, gain 4"
    assert state.frame_interval_s == 1 / 50
    assert state.warning == ""
    assert (cv2.CAP_PROP_BUFFERSIZE, 1) in capture.asked
    order = [prop for prop, _ in capture.asked]
    assert order.index(cv2.CAP_PROP_FOURCC) < order.index(cv2.CAP_PROP_FRAME_WIDTH)


def test_what_the_camera_did_not_take_is_one_warning() -> None:
    fixed = {
        cv2.CAP_PROP_FRAME_WIDTH: 640.0,
        cv2.CAP_PROP_GAIN: 0.0,
        cv2.CAP_PROP_FOURCC: float(cv2.VideoWriter.fourcc(*"YUYV")),
        cv2.CAP_PROP_BUFFERSIZE: 0.0,
    }
    _, state = opened(
        FakeCapture(fixed=fixed), width=1280, height=720, fps=30.1, fourcc="MJPG", gain=4, buffers=2
    )
    for part in (
        "width=1280 (the camera reports 640)",
        "gain=4 (the camera reports 0)",
        "fourcc=MJPG (the camera reports YUYV)",
    ):
        assert part in state.warning
    assert "buffers=2" in state.warning
    assert "height" not in state.warning
    assert "fps" not in state.warning
    assert "640x720, YUYV" in state.description


def test_nobody_is_told_about_buffers_that_nobody_asked_for() -> None:
    _, state = opened(FakeCapture(fixed={cv2.CAP_PROP_BUFFERSIZE: 0.0}))
    assert state.warning == ""


@pytest.mark.parametrize(("backend", "manual"), [("V4L2", 1), ("MSMF", 0)])
def test_a_given_exposure_switches_the_automatic_one_off(backend: str, manual: int) -> None:
    capture = FakeCapture(backend=backend)
    opened(capture, exposure=100)
    order = [prop for prop, _ in capture.asked]
    assert (cv2.CAP_PROP_AUTO_EXPOSURE, manual) in capture.asked
    assert order.index(cv2.CAP_PROP_AUTO_EXPOSURE) < order.index(cv2.CAP_PROP_EXPOSURE)
    automatic = FakeCapture(backend=backend)
    opened(automatic)
    assert cv2.CAP_PROP_AUTO_EXPOSURE not in [prop for prop, _ in automatic.asked]


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf"), 180000.0])
def test_a_rate_that_the_camera_does_not_know_is_left_out(fps: float) -> None:
    _, state = opened(FakeCapture(fixed={cv2.CAP_PROP_FPS: fps}))
    assert state.frame_interval_s is None
    assert "fps" not in state.description
    assert "fps" not in state.values


def test_frames_are_stamped_between_grab_and_retrieve(clock: FakeClock) -> None:
    class Slow(FakeCapture):
        def grab(self) -> bool:
            clock.now += 1
            return super().grab()

        def retrieve(self) -> tuple[bool, Any]:
            clock.now += 100
            return super().retrieve()

    device, _ = opened(Slow([PICTURE]), clock)
    frame = device.read(0.25)
    assert frame is not None
    assert frame.boot_ns == 1001 * 10**9
    assert frame.utc_ns == 10**18 + 1001 * 10**9


def test_a_read_tries_again_until_its_time_out(clock: FakeClock) -> None:
    device, _ = opened(FakeCapture([None, None, PICTURE]), clock)
    assert device.read(0.25) is not None
    before = clock.now
    assert device.read(0.25) is None
    assert 0.25 <= clock.now - before < 0.3


def test_a_camera_that_waits_for_its_trigger_says_so() -> None:
    _, state = opened(FakeCapture(), trigger="on")
    assert state.waits_for_trigger
    assert state.frame_interval_s is None
    assert state.values["trigger"] == "on"


@pytest.mark.parametrize(("backend", "polls"), [("V4L2", True), ("DSHOW", False)])
def test_reads_of_v4l2_return_by_themselves(backend: str, polls: bool) -> None:
    _, state = opened(FakeCapture(backend=backend), trigger="on")
    assert state.polls is polls


def test_a_relative_device_reaches_opencv_as_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "http:cam").touch()
    monkeypatch.chdir(tmp_path)
    sources: list[Any] = []

    def record(source: Any, _backend: int, _parameters: list[int]) -> FakeCapture:
        sources.append(source)
        return FakeCapture()

    OpenCVDevice(record).open(options("http:cam"))
    assert sources == [str(tmp_path / "http:cam")]


def test_a_device_file_that_vanishes_ends_the_wait_for_a_frame(
    tmp_path: Path, clock: FakeClock
) -> None:
    node = tmp_path / "video0"
    node.touch()
    device, _ = opened(FakeCapture([None] * 50), clock, str(node), trigger="on")
    assert device.read(0.25) is None
    node.unlink()
    with pytest.raises(DeviceError, match=r"is gone: .*video0 does not exist any more"):
        device.read(0.25)


def test_an_error_of_opencv_is_a_failed_read(clock: FakeClock) -> None:
    device, _ = opened(FakeCapture([cv2.error("lost\n  synchronisation"), PICTURE]), clock)
    assert device.read(0.25) is not None


def test_a_frame_that_cannot_be_decoded_is_lost(clock: FakeClock) -> None:
    empty = np.zeros((0, 0, 3), np.uint8)
    floats = np.zeros((4, 4), np.float32)
    device, _ = opened(FakeCapture(["damaged", empty, floats, PICTURE]), clock)
    reads = [device.read(0.25) for _ in range(4)]
    assert [(read.data is None, read.lost) for read in reads if read] == [(True, 1)] * 3 + [
        (False, 0)
    ]


def test_a_camera_that_does_not_open_is_released_and_refused() -> None:
    capture = FakeCapture(opened=False)
    with pytest.raises(DeviceError, match="camera:3 cannot be opened with back-end any"):
        opened(capture, path="3")
    assert capture.released == 1


def test_errors_of_opencv_at_opening_are_one_line() -> None:
    def refuse(*_: Any) -> FakeCapture:
        raise cv2.error("no\nback-end")

    with pytest.raises(DeviceError, match="no back-end"):
        OpenCVDevice(refuse).open(options())

    class Broken(FakeCapture):
        def set(self, _prop: int, _value: float) -> bool:
            raise cv2.error("busy")

    with pytest.raises(DeviceError, match="cannot be set up: busy"):
        opened(Broken())


@pytest.mark.parametrize("path", ["/dev/video-of-nobody", "99999999999", "²"])
def test_devices_that_there_are_not_are_refused_unopened(path: str) -> None:
    def never(*_: Any) -> FakeCapture:
        raise AssertionError("opened")

    with pytest.raises(DeviceError, match="cannot be opened"):
        OpenCVDevice(never).open(options(path))


def test_close_releases_once() -> None:
    capture = FakeCapture()
    device, _ = opened(capture)
    device.close()
    device.close()
    assert capture.released == 1


def test_exposure_gain_rate_and_size_are_changed_while_it_runs_and_read_back() -> None:
    capture = FakeCapture()
    device, _ = opened(capture)
    state = device.apply({"exposure": 250, "gain": 4.0, "fps": 15, "width": 320, "height": 240})
    assert state.values == {
        "exposure": 250.0, "gain": 4.0, "fps": 15.0, "width": 320, "height": 240, "trigger": "off",
    }  # fmt: skip
    assert capture.values[cv2.CAP_PROP_AUTO_EXPOSURE] == 0
    assert state.frame_interval_s == 1 / 15
    assert "320x240" in state.description


@pytest.mark.parametrize(
    "wanted", [{"gain": 9}, {"gain": "much"}, {"trigger": "once"}, {"width": 0}, {"width": 3.5}]
)
def test_what_the_camera_does_not_take_changes_nothing(wanted: dict[str, Any]) -> None:
    capture = FakeCapture(fixed={cv2.CAP_PROP_GAIN: 2.0})
    capture.values[cv2.CAP_PROP_EXPOSURE] = 100.0
    device, _ = opened(capture)
    with pytest.raises(RefusedValueError, match=next(iter(wanted))):
        device.apply({"exposure": 250, **wanted})
    assert capture.values[cv2.CAP_PROP_EXPOSURE] == 100.0


def test_a_mosaic_is_one_sample_per_pixel_of_the_size_that_the_camera_reports() -> None:
    mosaic = np.zeros((480, 640, 1), np.uint16)
    device, state = opened(FakeCapture([mosaic, PICTURE]), cfa="rggb", bits=12)
    frame = device.read(0.25)
    assert frame is not None
    assert (frame.cfa, frame.significant_bits, frame.channels) == ("RGGB", 12, 1)
    assert "mosaic RGGB" in state.description
    with pytest.raises(DeviceError, match=r"does not deliver a mosaic .got 3 channels"):
        device.read(0.25)
