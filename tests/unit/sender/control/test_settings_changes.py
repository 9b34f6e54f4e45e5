"""SettingsChanges: each request gets one reply, whatever codec, device and queue make of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Queue
from unittest.mock import Mock

import pytest

from rankcast.errors import SettingsError
from rankcast.frame import Scalar
from rankcast.wire import Reply
from rankcast_sender.camera import Camera, StreamOptions
from rankcast_sender.control.change_log import ChangeLog
from rankcast_sender.control.settings_changes import (
    MAX_WAITING,
    SettingsChanges,
    SettingsRequest,
)
from rankcast_sender.sources import Adjustments
from support.fakecamera import FakeCamera, open_source

WAIT_S = 10.0


@pytest.fixture
def changes() -> SettingsChanges:
    return SettingsChanges(ChangeLog())


class Asker:
    """Sends requests and collects the replies."""

    def __init__(self, changes: SettingsChanges, camera: Camera) -> None:
        self._changes = changes
        self._camera = camera
        self.replies: Queue[Reply] = Queue()

    def ask(self, **of_codec: Scalar) -> str:
        return self.ask_both(of_codec, {})

    def ask_both(self, of_codec: dict[str, Scalar], of_source: dict[str, Scalar]) -> str:
        return self._changes.ask(
            SettingsRequest(1, self._camera, "me", of_codec, of_source, self.replies.put)
        )

    def reply(self) -> Reply:
        while self._changes.serve_one():
            pass
        return self.replies.get(timeout=WAIT_S)


@pytest.fixture
def watched(changes: SettingsChanges) -> Iterator[Asker]:
    """A camera that is watched, whose frames a thread encodes."""
    camera = FakeCamera("cam", "svd-patch")
    open_source(camera, Adjustments({"gain": 1.0}))
    camera.channel.viewers = 1
    stopped = threading.Event()

    def encode() -> None:
        while not stopped.wait(0.01):
            camera.turn()

    thread = threading.Thread(target=encode)
    thread.start()
    yield Asker(changes, camera)
    stopped.set()
    thread.join()


def test_the_reply_follows_the_first_frame_that_was_coded_with_the_options(
    watched: Asker,
) -> None:
    assert watched.ask(gop=7) == ""
    assert watched.reply() == Reply(1, True, result={"gop": 7})


def test_the_reply_tells_why_the_frame_could_not_be_coded(
    watched: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = watched._camera.codec_settings
    settle = settings.settle
    monkeypatch.setattr(settings, "settle", lambda change: settle(change, "got 8-bit samples"))
    watched.ask(gop=7)
    assert watched.reply() == Reply(1, False, "the codec could not code a frame: got 8-bit samples")
    assert watched._camera.settings["gop"] != 7


def test_a_camera_that_nobody_watches_replies_without_a_frame(changes: SettingsChanges) -> None:
    asker = Asker(changes, Camera(StreamOptions(codec="svd")))
    asker.ask(rank=3)
    assert asker.reply() == Reply(1, True, result={"rank": 3})


def test_a_codec_that_does_not_start_is_a_refusal_and_the_device_is_left_alone(
    changes: SettingsChanges,
) -> None:
    camera = Camera(StreamOptions(codec="pca"))
    adjustments = Adjustments({"gain": 1.0})
    open_source(camera, adjustments)
    asker = Asker(changes, camera)
    asker.ask_both({"layout": "frames", "model": "/nonexistent"}, {"gain": 2.0})
    reply = asker.reply()
    assert not reply.ok
    assert "/nonexistent" in reply.error
    adjustments.serve(lambda _: pytest.fail("the device was set"))
    assert asker.ask_both({}, {"gain": 2.0}) == "", "no change is in progress"


@pytest.mark.parametrize(
    "error", [SettingsError("gain is 99"), ValueError("of\nthe driver"), MemoryError()]
)
def test_a_device_that_refuses_leaves_the_codec_alone(
    changes: SettingsChanges, error: Exception
) -> None:
    camera = Camera(StreamOptions(codec="svd"))
    adjustments = Adjustments({"gain": 1.0})
    open_source(camera, adjustments)
    before = camera.settings
    asker = Asker(changes, camera)
    asker.ask_both({"rank": 3}, {"gain": 99})
    changes.serve_one()

    def fails(_: object) -> dict[str, Scalar]:
        raise error

    adjustments.serve(fails)
    reply = asker.reply()
    assert not reply.ok
    assert reply.error
    assert "\n" not in reply.error
    assert camera.settings == before


def test_options_that_the_program_changed_meanwhile_are_not_overwritten(
    changes: SettingsChanges,
) -> None:
    camera = Camera(StreamOptions(codec="svd-patch"))
    adjustments = Adjustments({"gain": 1.0})
    open_source(camera, adjustments)
    asker = Asker(changes, camera)
    asker.ask_both({"gop": 3}, {"gain": 2.0})
    changes.serve_one()
    camera.set({"quality": 20})
    adjustments.serve(dict)
    assert "changed options of the codec meanwhile" in asker.reply().error
    assert camera.settings["quality"] == 20
    assert camera.settings["gop"] != 3


def test_the_queue_is_bounded(changes: SettingsChanges) -> None:
    asker = Asker(changes, Camera(StreamOptions(codec="svd")))
    assert [asker.ask(rank=3) for _ in range(MAX_WAITING)] == [""] * MAX_WAITING
    assert "are waiting already" in asker.ask(rank=3)
    for _ in range(MAX_WAITING):
        assert asker.reply().ok
    changes.stop()
    assert "about to end" in asker.ask(rank=3)


def test_a_change_that_fails_unexpectedly_is_refused_and_the_next_one_is_carried_out(
    changes: SettingsChanges, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = Camera(StreamOptions(codec="svd"))
    asker = Asker(changes, camera)
    with monkeypatch.context() as patch:
        patch.setattr(camera, "try_settings", Mock(side_effect=MemoryError))
        asker.ask(rank=3)
        assert "the change failed with MemoryError" in asker.reply().error
    asker.ask(rank=3)
    assert asker.reply().ok
    assert caplog.text.count("Traceback") == 1
