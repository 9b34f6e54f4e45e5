"""The thread that makes references: one camera after the other, until it is closed."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from rankcast_sender.joins import ReferenceThread, reference_thread


class FakeJoins:
    def __init__(self, name: str, fails: bool = False) -> None:
        self.name = name
        self._fails = fails
        self.asked = threading.Event()
        self.goes_on = threading.Event()
        self.made = threading.Semaphore(0)
        self.was_stopped = False
        self.dropped = threading.Event()

    def make_reference(self, stopped: Callable[[], bool]) -> None:
        self.asked.set()
        if self._fails:
            raise RuntimeError("out of memory")
        assert self.goes_on.wait(20)
        self.was_stopped = stopped()
        self.made.release()

    def drop_decoder(self) -> None:
        self.dropped.set()


def test_a_decoder_is_dropped_once_nobody_has_joined_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reference_thread, "KEPT_S", 0.0)
    monkeypatch.setattr(reference_thread, "LOOK_S", 0.01)
    thread = ReferenceThread()
    thread.start()
    camera = FakeJoins("cam")
    camera.goes_on.set()
    thread.want(camera)
    assert camera.dropped.wait(20)
    thread.close()


def test_each_camera_that_is_wanted_gets_one_reference_however_many_want_it() -> None:
    thread = ReferenceThread()
    thread.start()
    first, second = FakeJoins("first"), FakeJoins("second")
    second.goes_on.set()
    thread.want(first)
    assert first.asked.wait(20)
    for _ in range(3):
        thread.want(second)
    first.goes_on.set()
    assert second.made.acquire(timeout=20)
    thread.close()
    assert not second.made.acquire(blocking=False)
    assert not first.was_stopped


def test_closing_ends_a_reference_in_the_making() -> None:
    thread = ReferenceThread()
    thread.start()
    camera = FakeJoins("cam")
    thread.want(camera)
    assert camera.asked.wait(20)
    thread.stop()
    camera.goes_on.set()
    thread.close()
    assert camera.was_stopped


def test_what_fails_in_it_fails_in_its_owner() -> None:
    thread = ReferenceThread()
    thread.start()
    thread.want(FakeJoins("cam", fails=True))
    with pytest.raises(RuntimeError, match="out of memory"):
        thread.worker.join(20)
    with pytest.raises(RuntimeError, match="out of memory"):
        thread.close()


def test_one_that_was_never_started_can_be_closed() -> None:
    ReferenceThread().close()
