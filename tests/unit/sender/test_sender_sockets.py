"""The sockets of a sender end within bounded time, whatever its threads do."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from rankcast.errors import WorkerError
from rankcast.wire import Request
from rankcast_sender import Publisher
from rankcast_sender.control import OPERATOR, Client
from support.fakes import free_address

WAIT_S = 10.0
ME = Client(b"me", OPERATOR)


class Hanging:
    """A call that does not return before the end of the test."""

    def __init__(self) -> None:
        self.begun, self.release = threading.Event(), threading.Event()

    def __call__(self, *_args: object, **_kwargs: object) -> Any:
        self.begun.set()
        self.release.wait(60)
        return ()


def close_within(publisher: Publisher, limit_s: float, said: str) -> None:
    began_s = time.monotonic()
    with pytest.raises(WorkerError, match=said):
        publisher.close()
    assert time.monotonic() - began_s < limit_s


@pytest.mark.parametrize(
    ("target", "request_"),
    [
        ("newest_frame", Request(1, "original")),
        ("try_settings", Request(1, "set", "", {"quality": 50})),
    ],
)
def test_a_request_that_nobody_waits_for_any_more_is_named_after_a_second(
    monkeypatch: pytest.MonkeyPatch, target: str, request_: Request
) -> None:
    hanging = Hanging()
    publisher = Publisher(free_address(), codec="jpeg")
    monkeypatch.setattr(publisher.camera, target, hanging)
    handler = publisher._outlet._handler
    assert handler.answer(request_, ME, 0, lambda _: None) is None
    assert hanging.begun.wait(WAIT_S)
    try:
        close_within(publisher, 3.0, "did not stop within 1 s")
    finally:
        hanging.release.set()
    handler.close(WAIT_S)


@pytest.mark.slow
def test_several_stuck_threads_share_one_deadline(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rankcast_sender.sender_sockets.CLOSE_S", 1.0)
    monkeypatch.setattr("rankcast_sender.sockets.xpub.STOP_TIMEOUT_S", 1.0)
    hangs = [Hanging(), Hanging(), Hanging()]
    publisher = Publisher(free_address(), codec="jpeg")
    sockets = publisher._outlet
    monkeypatch.setattr(sockets.xpub, "_read_subscriptions", hangs[0])
    monkeypatch.setattr(publisher.camera, "newest_frame", hangs[1])
    monkeypatch.setattr(sockets._handler, "tick", hangs[2])
    sockets._handler.answer(Request(1, "original"), ME, 0, lambda _: None)
    try:
        assert all(hanging.begun.wait(WAIT_S) for hanging in hangs)
        # Linger of 1.5 s, 1 s for all threads, and a tenth for each that finds nothing left.
        close_within(publisher, 1.5 + 1.0 + 1.0, "thread rankcast-publish did not stop")
    finally:
        for hanging in hangs:
            hanging.release.set()
    for thread in threading.enumerate():
        if thread.name.startswith("rankcast-") and not thread.name.startswith("rankcast-kernel"):
            thread.join(WAIT_S)
    assert "rankcast-context did not stop" in caplog.text


def test_a_thread_of_the_control_channel_that_failed_ends_the_sender(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Publisher(free_address(), codec="raw") as publisher:
        sockets = publisher._outlet
        sockets.check()
        monkeypatch.setattr(sockets._handler._originals.worker, "_error", MemoryError())
        with pytest.raises(MemoryError):
            sockets.check()
        monkeypatch.undo()
