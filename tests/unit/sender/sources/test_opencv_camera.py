"""Cameras through OpenCV: settings read back, failures bounded in time and told in one line."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import rankcast_sender
from rankcast.errors import SourceError
from rankcast_sender.sources import opencv_camera as camera
from rankcast_sender.sources.opencv_camera import CameraOptions, OpenCVCamera

PICTURE = np.full((48, 64, 3), 90, np.uint8)
STEP = 0.1


class FakeClock:
    """Stands in for the module's clock; sleeping advances it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def monotonic_ns(self) -> int:
        return round(self.now * 1e9)

    def time_ns(self) -> int:
        return 10**18 + round(self.now * 1e9)

    def sleep(self, duration_s: float) -> None:
        self.now += max(duration_s, STEP)


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
    monkeypatch.setattr(camera, "time", fake)
    monkeypatch.setattr(camera, "boot_ns", fake.monotonic_ns)
    monkeypatch.setattr(OpenCVCamera, "_pause", lambda _source, duration_s: fake.sleep(duration_s))
    return fake


def opener(capture: FakeCapture) -> Callable[[int | str, int], FakeCapture]:
    return lambda _device, _backend: capture


def open_camera(capture: FakeCapture, path: str = "0", **options: Any) -> OpenCVCamera:
    return OpenCVCamera(path, CameraOptions(**options), open_capture=opener(capture))


def test_index_and_back_end_are_handed_on() -> None:
    calls: list[tuple[int | str, int]] = []

    def record(device: int | str, backend: int) -> FakeCapture:
        calls.append((device, backend))
        return FakeCapture()

    OpenCVCamera("0", CameraOptions(), open_capture=record).close()
    OpenCVCamera("12", CameraOptions(backend="msmf"), open_capture=record).close()
    OpenCVCamera(os.devnull, CameraOptions(backend="v4l2"), open_capture=record).close()
    assert calls == [(0, cv2.CAP_ANY), (12, cv2.CAP_MSMF), (os.devnull, cv2.CAP_V4L2)]


def test_settings_are_read_back_and_described(caplog: pytest.LogCaptureFixture) -> None:
    capture = FakeCapture()
    source = open_camera(
        capture, width=1280, height=720, fps=50, fourcc="MJPG", exposure=-6, gain=4
    )
    assert source.description == "camera:0 FAKE 1280x720, MJPG, 50 fps, exposure -6, gain 4", (
        source.description
    )
    assert source.fps == 50
    assert source.live is True
    assert not caplog.records
    assert (cv2.CAP_PROP_BUFFERSIZE, 1) in capture.asked
    order = [prop for prop, _ in capture.asked]
    assert order.index(cv2.CAP_PROP_FOURCC) < order.index(cv2.CAP_PROP_FRAME_WIDTH)


def test_what_the_camera_did_not_take_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    fixed = {
        cv2.CAP_PROP_FRAME_WIDTH: 640.0,
        cv2.CAP_PROP_GAIN: 0.0,
        cv2.CAP_PROP_FOURCC: float(cv2.VideoWriter.fourcc(*"YUYV")),
        cv2.CAP_PROP_BUFFERSIZE: 0.0,
    }
    capture = FakeCapture(fixed=fixed)
    source = open_camera(
        capture, width=1280, height=720, fps=30.1, fourcc="MJPG", gain=4, buffers=2
    )
    (record,) = caplog.records
    message = record.getMessage()
    for part in (
        "width=1280 (the camera reports 640)",
        "gain=4 (the camera reports 0)",
        "fourcc=MJPG (the camera reports YUYV)",
    ):
        assert part in message
    assert "buffers=2" in message
    assert "height" not in message
    assert "fps" not in message
    assert "640x720, YUYV" in source.description


def test_nobody_is_told_about_buffers_that_nobody_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    open_camera(FakeCapture(fixed={cv2.CAP_PROP_BUFFERSIZE: 0.0}))
    assert not caplog.records


@pytest.mark.parametrize(("backend", "manual"), [("V4L2", 1), ("MSMF", 0)])
def test_a_given_exposure_switches_the_automatic_one_off(backend: str, manual: int) -> None:
    capture = FakeCapture(backend=backend)
    open_camera(capture, exposure=100)
    order = [prop for prop, _ in capture.asked]
    assert (cv2.CAP_PROP_AUTO_EXPOSURE, manual) in capture.asked
    assert order.index(cv2.CAP_PROP_AUTO_EXPOSURE) < order.index(cv2.CAP_PROP_EXPOSURE)
    automatic = FakeCapture(backend=backend)
    open_camera(automatic)
    assert cv2.CAP_PROP_AUTO_EXPOSURE not in [prop for prop, _ in automatic.asked]


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf"), 180000.0])
def test_a_rate_that_the_camera_does_not_know_is_none(fps: float) -> None:
    source = open_camera(FakeCapture(fixed={cv2.CAP_PROP_FPS: fps}))
    assert source.fps is None
    assert "fps" not in source.description


def test_frames_are_stamped_between_grab_and_retrieve(clock: FakeClock) -> None:
    class Slow(FakeCapture):
        def grab(self) -> bool:
            clock.now += 1
            return super().grab()

        def retrieve(self) -> tuple[bool, Any]:
            clock.now += 100
            return super().retrieve()

    frame = next(iter(open_camera(Slow([PICTURE]))))
    assert frame.t_capture_mono_ns == 1001 * 10**9
    assert frame.t_capture_utc_ns == 10**18 + 1001 * 10**9


def test_failed_reads_are_tried_again_until_the_time_is_up(clock: FakeClock) -> None:
    capture = FakeCapture([PICTURE, None, None, None, PICTURE])
    frames = iter(open_camera(capture, timeout_s=2))
    assert [next(frames).frame, next(frames).frame] == [0, 1]
    before = clock.now
    with pytest.raises(
        SourceError, match=r"camera:0 delivered no frame for 2\.\d s, .*timeout_s=2"
    ):
        next(frames)
    assert 2 < clock.now - before < 2 + 3 * STEP


def test_the_time_that_the_consumer_takes_is_not_the_camera_s(clock: FakeClock) -> None:
    frames = iter(open_camera(FakeCapture([PICTURE, None, PICTURE]), timeout_s=2))
    next(frames)
    clock.now += 60
    assert next(frames).frame == 1


@pytest.mark.parametrize(("fps", "limit_s"), [(30.0, 5), (0.25, 12), (0.0, 5)])
def test_the_deadline_of_a_silent_camera_follows_its_pace(
    clock: FakeClock, fps: float, limit_s: float
) -> None:
    frames = iter(open_camera(FakeCapture([PICTURE], fixed={cv2.CAP_PROP_FPS: fps})))
    next(frames)
    before = clock.now
    with pytest.raises(SourceError, match=f"timeout_s={limit_s}"):
        next(frames)
    assert limit_s < clock.now - before < limit_s + 3 * STEP


def test_a_camera_slower_than_the_usual_deadline_is_not_dead(clock: FakeClock) -> None:
    silence = [None] * round(4.0 / STEP)
    capture = FakeCapture([PICTURE, *silence, PICTURE, *silence, PICTURE])
    capture.fixed[cv2.CAP_PROP_FPS] = 0.25
    frames = list(itertools.islice(open_camera(capture, timeout_s=None), 3))
    assert len(frames) == 3
    assert clock.now > 1008


def test_the_interval_is_that_of_the_camera_or_else_the_requested_one() -> None:
    assert open_camera(FakeCapture()).frame_interval_s == pytest.approx(1 / 30)
    unknown = {cv2.CAP_PROP_FPS: 0.0}
    assert open_camera(FakeCapture(fixed=unknown)).frame_interval_s is None
    assert open_camera(FakeCapture(fixed=unknown), fps=0.5).frame_interval_s == 2.0
    assert open_camera(FakeCapture(), trigger="on").frame_interval_s is None


def test_a_relative_device_reaches_opencv_as_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "http:cam").touch()
    monkeypatch.chdir(tmp_path)
    devices: list[int | str] = []

    def record(device: int | str, _backend: int) -> FakeCapture:
        devices.append(device)
        return FakeCapture()

    OpenCVCamera("http:cam", CameraOptions(), open_capture=record).close()
    assert devices == [str(tmp_path / "http:cam")]


@pytest.mark.usefixtures("clock")
def test_an_error_of_opencv_is_a_failed_read_and_its_cause_is_told() -> None:
    script = [PICTURE, cv2.error("lost\n  synchronisation"), PICTURE]
    script += [cv2.error("device\n  gone")] * 100
    frames = iter(open_camera(FakeCapture(script), timeout_s=1))
    assert [next(frames).frame, next(frames).frame] == [0, 1]
    with pytest.raises(SourceError, match="device gone") as caught:
        next(frames)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("clock")
def test_a_frame_that_cannot_be_decoded_leaves_a_hole() -> None:
    source = open_camera(FakeCapture([PICTURE, "damaged", PICTURE]))
    frames = iter(source)
    assert [next(frames).frame, next(frames).frame] == [0, 2]
    assert source.gaps == 1


@pytest.mark.usefixtures("clock")
def test_pictures_that_are_none_count_as_failed_reads() -> None:
    empty = np.zeros((0, 0, 3), np.uint8)
    floats = np.zeros((4, 4), np.float32)
    frames = iter(open_camera(FakeCapture([empty, floats, PICTURE])))
    assert next(frames).pixels.shape == PICTURE.shape


@pytest.mark.usefixtures("clock")
def test_a_change_of_shape_is_told_and_the_stream_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    grey = np.zeros((24, 32), np.uint8)
    frames = list(itertools.islice(open_camera(FakeCapture([PICTURE, PICTURE, grey, grey])), 4))
    assert [frame.pixels.shape for frame in frames] == [(48, 64, 3)] * 2 + [(24, 32)] * 2
    (record,) = caplog.records
    assert "(48, 64, 3) to (24, 32)" in record.getMessage()


def test_a_camera_that_does_not_open_is_released_and_refused() -> None:
    capture = FakeCapture(opened=False)
    with pytest.raises(SourceError, match="camera:3 cannot be opened with back-end any"):
        open_camera(capture, path="3")
    assert capture.released == 1


def test_errors_of_opencv_at_opening_are_source_errors() -> None:
    def refuse(_device: int | str, _backend: int) -> FakeCapture:
        raise cv2.error("no\nback-end")

    with pytest.raises(SourceError, match="no back-end"):
        OpenCVCamera("0", CameraOptions(), open_capture=refuse)

    class Broken(FakeCapture):
        def set(self, _prop: int, _value: float) -> bool:
            raise cv2.error("busy")

    capture = Broken()
    with pytest.raises(SourceError, match="cannot be set up: busy"):
        open_camera(capture)
    assert capture.released == 1


@pytest.mark.parametrize("path", ["/dev/video-of-nobody", "99999999999", "²"])
def test_devices_that_there_are_not_are_refused_unopened(path: str) -> None:
    def never(_device: int | str, _backend: int) -> FakeCapture:
        raise AssertionError("opened")

    with pytest.raises(SourceError, match="cannot be opened"):
        OpenCVCamera(path, CameraOptions(), open_capture=never)


@pytest.mark.usefixtures("clock")
def test_close_releases_once_and_ends_the_stream() -> None:
    capture = FakeCapture([PICTURE] * 5)
    source = open_camera(capture)
    frames = iter(source)
    next(frames)
    source.close()
    source.close()
    assert capture.released == 1
    assert list(frames) == []
    assert source.fps is None


def test_opencv_s_own_capture_has_what_is_used_here(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for _ in range(3):
        writer.write(PICTURE)
    writer.release()
    source = OpenCVCamera(str(path), CameraOptions(timeout_s=0.1))
    try:
        assert "64x48" in source.description
        frames = iter(source)
        before = time.monotonic_ns()
        pictures = [next(frames) for _ in range(3)]
        assert all(p.pixels.shape == (48, 64, 3) for p in pictures)
        assert before < pictures[0].t_capture_mono_ns < pictures[2].t_capture_mono_ns
        with pytest.raises(SourceError, match="delivered no frame"):
            next(frames)
    finally:
        source.close()


@pytest.mark.skipif(os.path.exists("/dev/video63"), reason="there is a camera 63")
def test_a_camera_that_there_is_not_is_one_line_and_no_noise() -> None:
    program = (
        "from rankcast.errors import SourceError\n"
        "from rankcast_sender.sources.opencv_camera import CameraOptions, OpenCVCamera\n"
        "try:\n    OpenCVCamera('63', CameraOptions())\n"
        "except SourceError as exc:\n    print(exc)\n"
    )
    sender = Path(rankcast_sender.__file__).resolve().parents[1]
    paths = os.pathsep.join([str(sender), str(sender.parent / "common")])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True, text=True, timeout=50, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    assert line.startswith("camera:63 cannot be opened")


def test_an_interrupt_ends_the_wait_for_a_camera_that_gives_nothing() -> None:
    source = open_camera(FakeCapture([None] * 1000))
    source.interrupt()
    assert list(source) == []
    source.close()


def adjusted(source: OpenCVCamera, **wanted: Any) -> tuple[dict[str, Any], str]:
    """What the camera made of `wanted`, in its own thread, between two frames."""
    answers: list[tuple[dict[str, Any], str]] = []
    assert source.adjustments.ask(wanted, lambda values, why: answers.append((dict(values), why)))
    next(iter(source))
    return answers[0]


def test_exposure_and_gain_are_changed_while_it_runs_and_read_back() -> None:
    capture = FakeCapture([PICTURE] * 3)
    source = OpenCVCamera("0", CameraOptions(), open_capture=lambda *_: capture)
    values, why = adjusted(source, exposure=250, gain=4.0)
    assert (values, why) == ({"exposure": 250.0, "gain": 4.0, "trigger": "off"}, "")
    assert source.adjustments.values == values
    assert capture.values[cv2.CAP_PROP_AUTO_EXPOSURE] == 0
    source.close()


@pytest.mark.parametrize("wanted", [{"gain": 9}, {"gain": "much"}, {"trigger": "once"}])
def test_what_the_camera_does_not_take_changes_nothing(wanted: dict[str, Any]) -> None:
    capture = FakeCapture([PICTURE] * 3, fixed={cv2.CAP_PROP_GAIN: 2.0})
    capture.values[cv2.CAP_PROP_EXPOSURE] = 100.0
    source = OpenCVCamera("0", CameraOptions(), open_capture=lambda *_: capture)
    values, why = adjusted(source, exposure=250, **wanted)
    assert next(iter(wanted)) in why
    assert (values["exposure"], values["gain"]) == (100.0, 2.0)
    assert capture.values[cv2.CAP_PROP_EXPOSURE] == 100.0
    source.close()


def test_a_camera_that_waits_for_its_trigger_has_not_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = FakeClock()
    monkeypatch.setattr(camera, "time", clock)
    capture = FakeCapture([None] * 200 + [PICTURE])
    options = CameraOptions(trigger="on", timeout_s=2)
    source = OpenCVCamera("0", options, open_capture=lambda *_: capture)
    monkeypatch.setattr(source, "_pause", clock.sleep)
    assert source.adjustments.values["trigger"] == "on"
    assert next(iter(source)).pixels.shape == PICTURE.shape
    assert clock.now > 1010
    source.close()
