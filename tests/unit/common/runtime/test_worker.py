"""Worker and signals: failures reach the owner, signals set a flag."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from rankcast.errors import SourceError, WorkerError
from rankcast.runtime import Worker, join_all, stop_flag
from rankcast.runtime.worker import log_unexpected_ends


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


def test_an_unexpected_end_is_logged_at_once_and_a_deliberate_one_is_left_to_the_owner(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("nobody thought of it")

    def refuse() -> None:
        raise SourceError("the camera fell off")

    for work, logged in ((fail, 1), (refuse, 0)):
        caplog.clear()
        ended = threading.Event()
        worker = Worker("failing", work, ended.set)
        worker.start()
        assert ended.wait(5)
        with pytest.raises((ZeroDivisionError, SourceError)):
            worker.join(5)
        assert len(caplog.records) == logged
    caplog.clear()
    worker = Worker("failing", fail)
    worker.start()
    with pytest.raises(ZeroDivisionError):
        worker.join(5)
    [record] = caplog.records
    assert "thread failing ended unexpectedly: ZeroDivisionError: nobody" in record.getMessage()
    assert record.exc_info


def test_the_net_logs_threads_that_are_no_workers(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    log_unexpected_ends()

    def fail() -> None:
        raise ZeroDivisionError("of a library")

    thread = threading.Thread(target=fail, name="foreign")
    thread.start()
    thread.join(5)
    [record] = caplog.records
    assert "thread foreign ended unexpectedly: ZeroDivisionError: of a l" in record.getMessage()


def test_workers_are_joined_within_one_limit_for_all() -> None:
    release = threading.Event()
    workers = [Worker(f"stuck-{n}", lambda: release.wait(10) and None) for n in range(5)]
    for worker in workers:
        worker.start()
    started_s = time.monotonic()
    with pytest.raises(WorkerError, match=r"stuck-0 did not stop within 0\.2 s"):
        join_all(workers, 0.2)
    assert time.monotonic() - started_s < 0.9
    release.set()
    join_all(workers, 5)


def test_joining_a_worker_that_never_started_returns() -> None:
    worker = Worker("unborn", lambda: None)
    worker.join(0)
    assert not worker.running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_set_the_flag_and_handlers_are_put_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_flag() as flag:
        assert not flag.requested
        os.kill(os.getpid(), number)
        assert flag.requested
    assert signal.getsignal(number) is before
