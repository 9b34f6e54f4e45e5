"""A Subscriber closes all that it opened, whether it starts, fails or is closed meanwhile."""

from __future__ import annotations

import itertools
import os
import pkgutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rankcast.errors import SettingsError, TransportError, WorkerError
from rankcast.runtime import Balance
from rankcast_receiver import Subscriber
from rankcast_receiver.net import ReceiveThread
from rankcast_receiver.stream import PacketBatch, PacketQueue
from support.bare_sender import WAIT_S, in_thread, sender
from support.fakes import free_address
from support.processes import run_script


@pytest.mark.parametrize(("connect", "camera"), [("x", None), ("tcp://127.0.0.1:1", "No Spaces")])
def test_wrong_arguments_are_refused_before_anything_is_opened(
    connect: str, camera: str | None
) -> None:
    with pytest.raises(SettingsError):
        Subscriber(connect, camera=camera)


def test_an_address_that_cannot_be_one_is_one_clear_error() -> None:
    with pytest.raises(SettingsError, match="got address 'tcp://a!b:1', want tcp://ADDRESS:PORT"):
        Subscriber("tcp://a!b:1")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc")
@pytest.mark.parametrize(
    ("broken", "error", "after"),
    [
        ("receive_thread.new_context", TransportError("no context"), 0),
        ("connection.open_socket", TransportError("no socket"), 0),
        ("connection.open_socket", TransportError("no socket"), 1),
        ("connection.Link._open", TransportError("no monitor"), 0),
        ("connection.Link._open", TransportError("no monitor"), 1),
        ("control_link.ControlClient", TransportError("no socket"), 0),
        ("control_link.ControlClient", TransportError("no socket"), 1),
    ],
)
def test_a_start_that_fails_half_way_closes_all_that_it_opened(
    monkeypatch: pytest.MonkeyPatch, broken: str, error: Exception, after: int
) -> None:
    """And ends its thread: see `_nothing_leaks`."""
    module, _, name = f"rankcast_receiver.net.{broken}".rpartition(".")
    owner = pkgutil.resolve_name(module)
    inner, calls = getattr(owner, name), itertools.count()

    def fail(*arguments: Any, **options: Any) -> Any:
        if next(calls) >= after:
            raise error
        return inner(*arguments, **options)

    monkeypatch.setattr(owner, name, fail)
    before = open_files()
    with pytest.raises(TransportError):
        Subscriber([free_address(), free_address()])
    assert open_files() == before


def test_a_frame_that_comes_while_a_stop_is_noticed_is_not_taken_and_counted_as_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = free_address()
    stop = threading.Event()
    with sender(address) as send, Subscriber(address, stopped=stop.is_set) as subscriber:
        send.wait_viewers()
        take = PacketQueue.take

        def take_and_stop(queue: PacketQueue, timeout_s: float) -> PacketBatch:
            if not subscriber.balance().entered:
                return take(queue, timeout_s)
            send.frame("cam", 2)
            stop.set()
            return take(queue, WAIT_S)

        send.frame("cam", 1)
        monkeypatch.setattr(PacketQueue, "take", take_and_stop)
        assert [frame.sequence for frame in subscriber] == [0]
        assert subscriber.balance() == Balance(1, 1, {})


def test_an_address_that_is_refused_after_a_good_one_leaves_nothing_open() -> None:
    with pytest.raises(SettingsError, match="got address 'tcp://a!b:1'"):
        Subscriber([free_address(), "tcp://a!b:1"])


def test_a_receive_thread_that_dies_is_the_exception_of_whoever_iterates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fall_over(_: ReceiveThread) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(ReceiveThread, "_turn", fall_over)
    with Subscriber(free_address()) as subscriber, pytest.raises(WorkerError, match="receive"):
        list(subscriber)


def stopped_after(limit_s: float) -> Callable[[], bool]:
    """Return a `stopped` that keeps a loop without an end from hanging the tests."""
    deadline_s = time.monotonic() + limit_s
    return lambda: time.monotonic() > deadline_s


def test_iterating_a_closed_subscriber_raises_at_once() -> None:
    subscriber = Subscriber(free_address(), stopped=stopped_after(WAIT_S / 2))
    subscriber.close()
    with pytest.raises(WorkerError, match="closed"):
        list(subscriber)


def test_closing_a_subscriber_ends_its_iteration_in_another_thread() -> None:
    iterating = threading.Event()
    stopped = stopped_after(WAIT_S / 2)

    def asked() -> bool:
        iterating.set()
        return stopped()

    def iterate() -> None:
        with pytest.raises(WorkerError, match="closed"):
            list(subscriber)
        ended.set()

    ended = threading.Event()
    subscriber = Subscriber(free_address(), stopped=asked)
    with in_thread(iterate):
        assert iterating.wait(WAIT_S)
        subscriber.close()
    assert ended.is_set()


def test_a_subscriber_that_is_stopped_and_closed_ends_without_an_error() -> None:
    stop = threading.Event()
    with Subscriber(free_address(), stopped=stop.is_set) as subscriber:
        batches = subscriber.packets()
        next(batches)
        stop.set()
        subscriber.close()
        assert list(batches) == []


def test_a_receiver_that_was_never_closed_does_not_keep_its_program_from_ending() -> None:
    text = (
        "import rankcast_receiver\n"
        f"kept = rankcast_receiver.Subscriber({free_address()!r})\n"
        "print('ends')"
    )
    done = run_script(text)
    assert (done.returncode, done.stdout) == (0, "ends\n")
