"""`close` of both facades returns in bounded time and names the thread that is stuck."""

from __future__ import annotations

import threading
import time

import pytest

from rankcast.errors import WorkerError
from rankcast_receiver import Subscriber
from rankcast_receiver.net.connection import Connection
from rankcast_sender import Publisher
from rankcast_sender.sockets import XpubThread
from support.fakes import free_address

BOUND_S = 20.0


@pytest.mark.slow
def test_a_subscriber_whose_thread_hangs_closes_with_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release, hangs = threading.Event(), threading.Event()

    def hang(*_: object) -> list[object]:
        hangs.set()
        release.wait(60)
        return []

    monkeypatch.setattr(Connection, "receive", hang)
    subscriber = Subscriber(free_address())
    try:
        assert hangs.wait(5)
        started_s = time.monotonic()
        with pytest.raises(WorkerError, match=r"rankcast-receive did not stop .* the receive"):
            subscriber.close()
        assert time.monotonic() - started_s < BOUND_S
    finally:
        release.set()
        subscriber.close()


@pytest.mark.slow
def test_a_publisher_whose_thread_hangs_closes_with_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release, hangs = threading.Event(), threading.Event()

    def hang(*_: object) -> set[object]:
        hangs.set()
        release.wait(60)
        return set()

    monkeypatch.setattr(XpubThread, "_read_subscriptions", hang)
    publisher = Publisher(free_address())
    try:
        assert hangs.wait(5)
        started_s = time.monotonic()
        with pytest.raises(WorkerError, match=r"rankcast-(publish|context) did not stop within"):
            publisher.close()
        assert time.monotonic() - started_s < BOUND_S
    finally:
        release.set()
        for thread in threading.enumerate():
            if thread.name.startswith(("rankcast-publish", "rankcast-context")):
                thread.join(10)
