"""Worker and signals: failures reach the owner, signals set a flag."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from rankcast.errors import SourceError, WorkerError
from rankcast.runtime import Worker, stop_flag


def test_the_failure_of_a_worker_is_its_owners_exception() -> None:
    ended = threading.Event()

    def fail() -> None:
        raise SourceError("the camera fell off")

    worker = Worker("failing", fail, ended.set)
    worker.start()
    assert ended.wait(5)
    with pytest.raises(SourceError, match="fell off"):
        worker.join(5)
    assert not worker.running


def test_a_worker_that_does_not_stop_is_an_error_not_forgotten() -> None:
    release = threading.Event()
    worker = Worker("stuck", lambda: release.wait(10) and None)
    worker.start()
    with pytest.raises(WorkerError, match=r"stuck did not stop within 0\.01 s"):
        worker.join(0.01)
    release.set()
    worker.join(5)


def test_joining_a_worker_that_never_started_returns() -> None:
    worker = Worker("unborn", lambda: None)
    worker.join(0)
    assert not worker.running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_set_the_flag_and_handlers_are_put_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_flag() as flag:
        assert not flag.requested
        os.kill(os.getpid(), number)
        assert flag.requested
    assert signal.getsignal(number) is before
