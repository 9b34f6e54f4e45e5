"""SocketThread: opens, serves and closes in its own thread, and fails at its owner."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import zmq

from rankcast.errors import TransportError, WorkerError
from rankcast.net import SocketThread
from rankcast.net import wakeup as wakeup_module

WAIT_S = 10.0
ADDRESS = "inproc://socket-thread"


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    # Leaving the block hangs while a socket is open: each test proves that none is left.
    with zmq.Context() as made:
        yield made


class Echo:
    """Answers each message with itself."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self._context = context
        self.thread = SocketThread("echo", self._run, self._ended)
        self.fail: Exception | None = None
        self.turns = 0
        self.ended_in: threading.Thread | None = None
        self.opened_in: threading.Thread | None = None

    def _run(self) -> None:
        with self._context.socket(zmq.PAIR) as socket:
            socket.bind(ADDRESS)
            self.opened_in = threading.current_thread()
            self.thread.opened()
            poller = self.thread.poller(socket)
            while not self.thread.stopping:
                if socket in self.thread.poll(poller, WAIT_S):
                    socket.send(socket.recv())
                self.turns += 1
                if self.fail is not None:
                    raise self.fail

    def _ended(self) -> None:
        self.ended_in = threading.current_thread()


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    turn = threading.Event()
    while not true():
        assert time.monotonic() < until, "it never became true"
        turn.wait(0.005)


def test_it_serves_once_start_has_returned_and_ends_when_asked(
    context: zmq.Context[zmq.Socket[bytes]],
) -> None:
    echo = Echo(context)
    assert not echo.thread.running
    echo.thread.start()
    with context.socket(zmq.PAIR) as client:
        client.connect(ADDRESS)
        client.send(b"hello")
        assert client.poll(int(WAIT_S * 1000))
        assert client.recv() == b"hello"
    began_s = time.monotonic()
    echo.thread.stop()
    echo.thread.join()
    assert time.monotonic() - began_s < WAIT_S / 2, "stop ends the poll"
    assert echo.opened_in is echo.ended_in is not None
    assert echo.ended_in is not threading.current_thread()


def test_an_error_while_sockets_are_opened_is_raised_by_start_and_only_there(
    context: zmq.Context[zmq.Socket[bytes]],
) -> None:
    with context.socket(zmq.PAIR) as taken:
        taken.bind(ADDRESS)
        echo = Echo(context)
        with pytest.raises(zmq.ZMQError, match="in use"):
            echo.thread.start()
        echo.thread.stop()
        echo.thread.join()
        assert not echo.thread.running


def test_descriptors_that_have_run_out_are_an_error_of_start(
    context: zmq.Context[zmq.Socket[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def out() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(wakeup_module.socket, "socketpair", out)
    echo = Echo(context)
    with pytest.raises(TransportError, match="thread echo has no sockets: Too many open files"):
        echo.thread.start()
    assert not echo.thread.running


def test_sockets_that_are_never_opened_are_an_error_within_the_time() -> None:
    release = threading.Event()
    thread = SocketThread("slow", lambda: bool(release.wait(WAIT_S)) and None)
    with pytest.raises(WorkerError, match=r"thread slow did not open its sockets within 0\.05 s"):
        thread.start(0.05)
    release.set()
    thread.join()


def test_a_target_that_returns_at_once_does_not_count_as_started() -> None:
    thread = SocketThread("empty", lambda: None)
    with pytest.raises(WorkerError, match="thread empty did not open its sockets"):
        thread.start()


@pytest.mark.parametrize("where", ["check", "join"])
def test_a_failure_is_raised_at_its_owner_once(
    context: zmq.Context[zmq.Socket[bytes]], where: str
) -> None:
    echo = Echo(context)
    echo.thread.start()
    echo.thread.check()
    echo.fail = TransportError("the network is gone")
    echo.thread.wake()
    wait_until(lambda: not echo.thread.running)
    assert echo.thread.error is echo.fail
    if where == "check":
        with pytest.raises(WorkerError, match="thread echo has ended: the network is gone") as got:
            echo.thread.check()
        assert got.value.__cause__ is echo.fail
    else:
        with pytest.raises(TransportError, match="the network is gone"):
            echo.thread.join()
    echo.thread.stop()
    echo.thread.join()


def test_a_thread_that_does_not_stop_is_an_error_within_the_time() -> None:
    release = threading.Event()

    def stubborn() -> None:
        thread.opened()
        release.wait(WAIT_S)

    thread = SocketThread("stubborn", stubborn)
    thread.start()
    thread.stop()
    with pytest.raises(WorkerError, match=r"did not stop within 0\.05 s"):
        thread.join(0.05)
    release.set()
    thread.join()


def test_each_poll_beats_and_the_end_rests(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    echo = Echo(context)
    echo.thread.start()
    turns = echo.turns
    echo.thread.wake()
    wait_until(lambda: echo.turns > turns)
    assert echo.thread.pulse.silent_s(time.monotonic() + 100) > 0
    echo.thread.stop()
    echo.thread.join()
    assert echo.thread.pulse.silent_s(time.monotonic() + 100) == 0


def test_stopping_and_waking_before_the_start_or_after_the_end_is_nothing() -> None:
    thread = SocketThread("never", lambda: None)
    thread.wake()
    thread.stop()
    thread.join()
