"""What threads do, and which of them are stuck."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rankcast.errors import WorkerError
from rankcast.runtime import Mailbox, Worker, doing, stuck, workers_running
from rankcast.runtime.activity import Place, place_of_work


@contextmanager
def running(worker: Worker, release: threading.Event) -> Iterator[None]:
    worker.start()
    try:
        yield
    finally:
        release.set()
        worker.join(5)


def test_a_thread_that_stays_in_a_call_is_stuck_and_one_that_waits_for_ours_is_not() -> None:
    release, begun = threading.Event(), threading.Event()
    read, write = os.pipe()
    box: Mailbox[int] = Mailbox(newest_wins=False)

    def read_device() -> None:
        with doing("reading the device"):
            begun.set()
            os.read(read, 1)

    def take() -> None:
        assert box.get() == 1

    reader, taker = Worker("reader", read_device), Worker("taker", take, task="taking")
    with running(reader, release), running(taker, release):
        assert begun.wait(5)
        assert workers_running()
        [text] = stuck()
        assert text.startswith("reading the device, in read_device (test_activity.py:")
        with pytest.raises(WorkerError, match=r"did not stop within 0\.01 s: reading"):
            reader.join(0.01)
        os.write(write, b"\0")
        box.put(1)
    os.close(read)
    os.close(write)
    assert not workers_running()


def test_if_all_threads_wait_for_each_other_all_are_named() -> None:
    box: Mailbox[int] = Mailbox(newest_wins=False)
    worker = Worker("taker", lambda: box.get() and None, task="taking")
    release = threading.Event()
    with running(worker, release):
        [text] = stuck()
        box.put(1)
    assert text.startswith("taking, in wait (threading.py")


def test_what_a_thread_did_before_is_known_again_after_a_block() -> None:
    read, write = os.pipe()

    def work() -> None:
        with doing("opening"):
            pass
        os.read(read, 1)

    worker = Worker("worker", work, task="the whole task")
    release = threading.Event()
    with running(worker, release):
        [text] = stuck()
        os.write(write, b"\0")
    os.close(read)
    os.close(write)
    assert text.startswith("the whole task, in work")


@pytest.mark.parametrize(
    ("paths", "function"),
    [
        (["/lib/threading.py", "/x/rankcast/runtime/mailbox.py", "/x/a.py"], None),
        (["/lib/threading.py", "/home/plug/camera.py"], "f1"),
        (["/venv/zmq/sugar/poll.py", "/x/rankcast/net/socket_thread.py"], None),
        (["/x/rankcast_sender/sources/opencv_camera.py"], "f0"),
        (["/venv/zmq/sugar/context.py", "/x/rankcast/net/context_end.py"], "f0"),
        ([], None),
    ],
)
def test_a_wait_of_ours_is_told_from_one_of_a_driver(
    paths: list[str], function: str | None
) -> None:
    place = place_of_work([Place(path, 1, f"f{number}") for number, path in enumerate(paths)])
    assert (place.function if place else None) == function
