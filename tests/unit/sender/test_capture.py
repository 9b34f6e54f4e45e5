"""capture: some seconds of a camera for commands; what is no camera is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from rankcast.errors import SettingsError, SourceError
from rankcast.frame import Frame
from rankcast_sender import capture as module
from rankcast_sender.capture import capture
from support.fakes import FakeSource, picture


class Camera(FakeSource):
    """A camera that notes when it was closed."""

    closed = False

    def close(self) -> None:
        self.closed = True
        super().close()


def use(monkeypatch: pytest.MonkeyPatch, camera: Any) -> None:
    monkeypatch.setattr(module, "source_opener", lambda _: lambda: camera)


def endless() -> Iterator[Frame]:
    yield from (Frame(picture(), frame=number) for number in range(10_000_000))


def test_frames_come_with_their_times_until_the_camera_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    camera = Camera([Frame(picture(value), frame=value) for value in range(3)], live=True)
    use(monkeypatch, camera)
    found = list(capture("camera:0", 5.0))
    assert [frame.frame for frame in found] == [0, 1, 2]
    assert all(frame.t_capture_mono_ns and frame.t_capture_utc_ns for frame in found)
    assert camera.closed


def test_a_camera_without_end_is_left_after_the_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = Camera([Frame(picture())], live=True)
    monkeypatch.setattr(Camera, "__iter__", lambda _: endless())
    use(monkeypatch, camera)
    assert sum(1 for _ in capture("camera:0", 0.05)) >= 1
    assert camera.closed


def test_a_camera_that_would_wait_for_a_trigger_is_refused() -> None:
    with pytest.raises(SettingsError, match="got trigger=on, but nothing triggers frames here"):
        list(capture("basler:X?trigger=on", 1.0))


class Waiting(Camera):
    """A camera that gives nothing until it is interrupted."""

    def __init__(self) -> None:
        super().__init__([], live=True)
        self.interrupted = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        yield Frame(picture())
        assert self.interrupted.wait(30)

    def interrupt(self) -> None:
        self.interrupted.set()


def test_a_camera_that_gives_nothing_is_left_after_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "GRACE_S", 0.1)
    camera = Waiting()
    use(monkeypatch, camera)
    assert len(list(capture("camera:0", 0.1))) == 1
    assert camera.closed
    assert caplog.messages == ["fake: was ended after 0.2 s; it may wait for a trigger"]


def test_lost_and_replaced_frames_are_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Busy(Camera):
        replaced = 3
        frozen = False

        def open(self) -> None:
            """Do nothing."""

    use(monkeypatch, Busy([Frame(picture())] * 2, live=True, gaps_before=(0, 2)))
    assert len(list(capture("camera:0", 5.0))) == 2
    assert caplog.messages == [
        "fake: 2 frames were lost and 3 replaced by newer ones before they were taken"
    ]


def test_a_source_that_is_no_camera_is_refused_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = Camera([Frame(picture())], live=False)
    use(monkeypatch, camera)
    with pytest.raises(SettingsError, match="want one of a camera"):
        list(capture("replay:frames", 1.0))
    assert camera.closed


def test_a_camera_that_is_not_there_is_named() -> None:
    with pytest.raises(SourceError, match="camera:/dev/no-such-camera"):
        list(capture("camera:/dev/no-such-camera", 1.0))
