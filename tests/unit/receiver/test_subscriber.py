"""Subscriber against a bare publisher that says what it likes."""

from __future__ import annotations

import itertools
import os
import pkgutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq

import rankcast
from rankcast.boot_clock import boot_ns
from rankcast.errors import NoStreamError, SettingsError, TransportError, WorkerError
from rankcast.frame import Frame
from rankcast.runtime import NETWORK_GAP, REFUSED_PACKET, SKIPPED_AS_OLD, Balance
from rankcast.wire import Kind, Limits, Status, frames_topic, pack_status, status_topic
from rankcast_receiver import Subscriber
from rankcast_receiver.net import ReceiveThread
from rankcast_receiver.state import CameraState, State
from rankcast_receiver.stream import PacketBatch, PacketQueue
from rankcast_receiver.stream.late_frame_hold import HOLD_S
from support import bare_sender
from support.fakes import free_address, picture
from support.processes import run_script

WAIT_S = 10.0


class Sender:
    """A bare XPUB that waits for subscriptions before it sends."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self.socket = socket
        self.encoder = rankcast.Encoder("raw")

    def wait_viewers(self, count: int = 1) -> None:
        """Wait until a viewer came `count` times; its own topic is the last that it takes."""
        while count:
            assert self.socket.poll(int(WAIT_S * 1000)), "nobody subscribed"
            count -= self.socket.recv().startswith((b"\1/viewer/", b"\1/keeper/"))

    def frame(self, value: int = 0, name: str = "cam") -> None:
        self.socket.send(frames_topic(name) + self.encoder.encode(picture(value)))

    def end(self, name: str = "cam") -> None:
        totals = Status(published=self.encoder.sequence)
        packet = pack_status(Kind.END, self.encoder.stream_id, totals, 1, 2)
        self.socket.send(status_topic(name) + packet)


@contextmanager
def sender(address: str) -> Iterator[Sender]:
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        socket.setsockopt(zmq.LINGER, 1000)
        socket.bind(address)
        yield Sender(socket)


@contextmanager
def in_thread(work: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join(WAIT_S)


def test_every_frame_comes_out_in_keep_mode_until_the_end() -> None:
    address = free_address()
    with sender(address) as send:

        def work() -> None:
            send.wait_viewers()
            for value in range(30):
                send.frame(value)
            send.end()

        with in_thread(work), Subscriber(address, live=False, timeout_s=WAIT_S) as subscriber:
            values = [int(frame.pixels[0, 0]) for frame in subscriber]
            balance = subscriber.balance()
    assert values == list(range(30))
    assert (balance.entered, balance.passed, dict(balance.lost)) == (30, 30, {})


@pytest.mark.parametrize("writable", [False, True])
def test_frames_can_be_drawn_on_when_the_subscriber_is_asked_for_it(writable: bool) -> None:
    address = free_address()
    with sender(address) as send:

        def work() -> None:
            send.wait_viewers()
            for value in range(2):
                send.frame(value)
            send.end()

        options = {"live": False, "timeout_s": WAIT_S, "control": False}
        with Subscriber(address, writable=writable, **options) as subscriber, in_thread(work):  # type: ignore[arg-type]
            frames = list(subscriber)
    assert [frame.pixels.flags.writeable for frame in frames] == [writable] * 2
    if writable:
        frames[0].pixels[...] = 200
        assert (frames[1].pixels == picture(1)).all()


def test_live_mode_skips_to_the_newest_and_counts_what_it_skipped() -> None:
    address = free_address()
    with sender(address) as send, Subscriber(address, timeout_s=WAIT_S) as subscriber:
        send.wait_viewers()
        for value in range(4):  # no more than the queue of a live viewer holds
            send.frame(value)
        frames = iter(subscriber)
        first = next(frames)
        send.end()
        rest = list(frames)
        balance = subscriber.balance()
    seen = [first.sequence, *(frame.sequence for frame in rest)]
    assert seen[-1] == 3
    assert balance.entered == 4
    assert balance.passed == len(seen)
    assert balance.lost.get(SKIPPED_AS_OLD, 0) == 4 - len(seen)


def test_rubbish_on_the_wire_is_counted_and_costs_no_good_frame() -> None:
    address = free_address()
    with sender(address) as send:

        def work() -> None:
            send.wait_viewers()
            send.frame(1)
            for message in (
                b"",
                b"\0",
                b"cam/frames\0",
                b"cam/frames\0rubbish",
                b"../x/frames\0",
                b"cam/other\0",
                status_topic("cam") + send.encoder.encode(picture()),
            ):
                send.socket.send(message)
            damaged = bytearray(frames_topic("cam") + send.encoder.encode(picture(2)))
            damaged[-1] ^= 1
            send.socket.send(bytes(damaged))
            send.frame(3)
            send.end()

        with in_thread(work), Subscriber(address, live=False, timeout_s=WAIT_S) as subscriber:
            values = [int(frame.pixels[0, 0]) for frame in subscriber]
            balance = subscriber.balance()
    assert values == [1, 3]
    # Two packets were encoded and never came as frames; two of the rubbish had our topic.
    assert balance.lost == {REFUSED_PACKET: 2}
    assert balance.under_way == 0


def test_a_camera_name_selects_exactly_that_camera() -> None:
    address = free_address()
    with sender(address) as send:

        def work() -> None:
            send.wait_viewers()
            send.frame(1, "cam10")
            send.frame(2, "cam1")
            send.end("cam1")

        with (
            in_thread(work),
            Subscriber(address, camera="cam1", live=False, timeout_s=WAIT_S) as subscriber,
        ):
            frames = list(subscriber)
            lost = subscriber.balance().lost
    assert [(frame.camera, int(frame.pixels[0, 0])) for frame in frames] == [("cam1", 2)]
    assert lost == {}


def test_without_a_name_every_camera_comes_and_all_must_end() -> None:
    address = free_address()
    with sender(address) as send:
        other = rankcast.Encoder("raw")

        def work() -> None:
            send.wait_viewers()
            send.frame(1, "left")
            send.socket.send(frames_topic("right") + other.encode(picture(2)))
            send.end("left")
            send.socket.send(frames_topic("right") + other.encode(picture(3)))
            end = pack_status(Kind.END, other.stream_id, Status(published=3), 1, 2)
            send.socket.send(status_topic("right") + end)

        with in_thread(work), Subscriber(address, live=False, timeout_s=WAIT_S) as subscriber:
            frames = [(frame.camera, int(frame.pixels[0, 0])) for frame in subscriber]
            lost = subscriber.balance().lost
    assert frames == [("left", 1), ("right", 2), ("right", 3)]
    assert lost == {NETWORK_GAP: 1}


def test_staying_waits_for_the_next_stream() -> None:
    address = free_address()
    done = threading.Event()
    with sender(address) as send:

        def work() -> None:
            send.wait_viewers()
            send.frame(1)
            send.end()
            send.encoder = rankcast.Encoder("raw")
            send.frame(2)

        with (
            in_thread(work),
            Subscriber(
                address, live=False, timeout_s=WAIT_S, stay=True, stopped=done.is_set
            ) as subscriber,
        ):
            values = []
            for frame in subscriber:
                values.append(int(frame.pixels[0, 0]))
                if len(values) == 2:
                    done.set()
    assert values == [1, 2]


def test_silence_ends_with_no_stream_and_says_what_is_known() -> None:
    address = free_address()
    with (
        Subscriber(address, timeout_s=0.2) as subscriber,
        pytest.raises(NoStreamError, match=r"no frame within 0.2 s.*nothing answered"),
    ):
        list(subscriber)


def test_silence_is_no_new_frame_however_much_else_there_is_to_read() -> None:
    address, done = free_address(), threading.Event()
    with sender(address) as send:

        def work() -> None:
            send.wait_viewers()
            packet = pack_status(Kind.STATUS, send.encoder.stream_id, Status(), 1, 2)
            while not done.is_set():
                send.socket.send(status_topic("cam") + packet)

        with in_thread(work):
            try:
                with (
                    Subscriber(address, timeout_s=0.3, control=False) as subscriber,
                    pytest.raises(NoStreamError, match=r"no frame within 0\.3 s"),
                ):
                    list(subscriber)
            finally:
                done.set()


def late_message(send: bare_sender.Sender) -> bytes:
    """A picture that was taken two seconds ago."""
    frame = Frame(
        picture(7),
        t_capture_mono_ns=boot_ns() - 2 * 10**9,
        t_capture_utc_ns=time.time_ns() - 2 * 10**9,
    )
    return frames_topic("cam") + send.encoders["cam"].encode(frame)


def test_a_sender_whose_frames_come_is_not_called_silent_while_they_are_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a standstill of this process there may be frames to read, and no status yet."""
    monkeypatch.setattr("rankcast_receiver.state.camera_state.ANSWER_S", 0.15)
    monkeypatch.setattr("rankcast_receiver.state.camera_state.STALE_S", 0.1)
    address, told = free_address(), list[CameraState]()

    with bare_sender.sender(address) as send:

        def work() -> None:
            send.wait_viewers()
            send.say("cam")
            for _ in range(8):
                send.socket.poll(50)
                send.socket.send(late_message(send))
            send.end()

        with (
            in_thread(work),
            Subscriber(
                address, timeout_s=WAIT_S, control=False, on_state=lambda now: told.extend(now)
            ) as subscriber,
        ):
            assert list(subscriber)
    assert State.STALE in [state.state for state in told]
    assert State.NETWORK_DEAD not in [state.state for state in told]


def test_a_picture_that_comes_late_is_shown_when_nothing_fresher_does_and_is_not_live() -> None:
    address = free_address()
    with (
        bare_sender.sender(address) as send,
        # Waiting for a fresher one is no silence.
        Subscriber(address, timeout_s=0.5, control=False) as subscriber,
    ):
        send.wait_viewers()
        send.say("cam")
        send.socket.send(late_message(send))
        frames, began = iter(subscriber), time.monotonic()
        assert int(next(frames).pixels[0, 0]) == 7
        assert time.monotonic() - began >= HOLD_S
        assert subscriber.states[0].state is State.STALE
        with pytest.raises(NoStreamError, match=r"no frame within 0\.5 s"):
            next(frames)


def test_a_sender_without_frames_is_told_from_no_sender() -> None:
    address = free_address()
    with sender(address) as send, Subscriber(address, timeout_s=1.0) as subscriber:
        send.wait_viewers()
        status = Status(state="stalled")
        packet = pack_status(Kind.STATUS, send.encoder.stream_id, status, 1, 2)
        send.socket.send(status_topic("cam") + packet)
        with pytest.raises(NoStreamError, match="the sender responds, cam is stalled"):
            list(subscriber)


def test_packets_above_the_limits_are_refused_by_name() -> None:
    address = free_address()
    limits = Limits(max_samples=100)
    with sender(address) as send:

        def work() -> None:
            send.wait_viewers()
            send.frame()
            send.end()

        with (
            in_thread(work),
            Subscriber(address, live=False, timeout_s=WAIT_S, limits=limits) as subscriber,
        ):
            assert list(subscriber) == []


def test_why_nothing_of_a_stream_can_be_taken_is_said_when_the_wait_is_over() -> None:
    address = free_address()
    with (
        bare_sender.sender(address) as send,
        Subscriber(address, timeout_s=1.0, limits=Limits(max_samples=100)) as subscriber,
    ):
        send.wait_viewers()
        send.say("cam")
        send.frame("cam")
        with pytest.raises(
            NoStreamError, match=r"cam is live, but its packets are refused \(got 24 x"
        ):
            list(subscriber)


@pytest.mark.parametrize(("connect", "camera"), [("x", None), ("tcp://127.0.0.1:1", "No Spaces")])
def test_wrong_arguments_are_refused_before_anything_is_opened(
    connect: str, camera: str | None
) -> None:
    with pytest.raises(SettingsError):
        Subscriber(connect, camera=camera)


def test_a_silent_connection_is_rebuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rankcast_receiver.net.connection.KEEP_SILENCE_S", 0.2)
    address = free_address()
    arrived = threading.Event()
    with sender(address) as send:

        def work() -> None:
            send.wait_viewers(3)  # it was rebuilt twice
            while not arrived.is_set():
                send.frame(9)
                send.socket.poll(20)

        with in_thread(work), Subscriber(address, live=False, timeout_s=WAIT_S) as subscriber:
            frame = next(iter(subscriber))
            arrived.set()
    assert int(frame.pixels[0, 0]) == 9


def test_a_caller_slower_than_the_time_out_is_not_told_that_the_stream_is_gone() -> None:
    address = free_address()
    with sender(address) as send, Subscriber(address, live=False, timeout_s=0.3) as subscriber:
        send.wait_viewers()
        for value in range(3):
            send.frame(value)
        values = []
        for frame in subscriber:
            values.append(int(frame.pixels[0, 0]))
            threading.Event().wait(0.4)  # the slow caller
            if len(values) == 3:
                send.end()
    assert values == [0, 1, 2]


def test_an_address_that_cannot_be_one_is_one_clear_error() -> None:
    with pytest.raises(SettingsError, match="got address 'tcp://a!b:1', want tcp://ADDRESS:PORT"):
        Subscriber("tcp://a!b:1")


def test_a_sender_that_died_is_told_from_one_without_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rankcast_receiver.state.camera_state.ANSWER_S", 0.1)
    address = free_address()
    with sender(address) as send, Subscriber(address, timeout_s=0.6) as subscriber:
        send.wait_viewers()
        packet = pack_status(Kind.STATUS, send.encoder.stream_id, Status(state="live"), 1, 2)
        send.socket.send(status_topic("cam") + packet)
        with pytest.raises(
            NoStreamError, match=r"silent for 0\.\d s; its last status: cam is live"
        ):
            list(subscriber)


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
            send.frame(2)
            stop.set()
            return take(queue, WAIT_S)

        send.frame(1)
        monkeypatch.setattr(PacketQueue, "take", take_and_stop)
        assert [frame.sequence for frame in subscriber] == [0]
        assert subscriber.balance() == Balance(1, 1, {})


def test_an_address_that_is_refused_after_a_good_one_leaves_nothing_open() -> None:
    with pytest.raises(SettingsError, match="got address 'tcp://a!b:1'"):
        Subscriber([free_address(), "tcp://a!b:1"])


def test_a_receiver_that_was_never_closed_does_not_keep_its_program_from_ending() -> None:
    text = (
        "import rankcast_receiver\n"
        f"kept = rankcast_receiver.Subscriber({free_address()!r})\n"
        "print('ends')"
    )
    done = run_script(text)
    assert (done.returncode, done.stdout) == (0, "ends\n")


def test_a_stream_of_a_slow_pace_is_live_between_its_frames_and_stale_once_one_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rankcast_receiver.state.camera_state.STALE_S", 0.3)
    address, told = free_address(), list[tuple[float, State]]()
    interval_s, frames = 0.8, 3
    last_s = [0.0]
    with bare_sender.sender(address) as send:
        status = Status(state="live", frame_interval_s=interval_s)

        def work() -> None:
            send.wait_viewers()
            packet = pack_status(Kind.STATUS, send.encoders["cam"].stream_id, status, 1, 2)
            for number in range(8 * (frames + 2)):
                if number % 8 == 0 and number < 8 * frames:
                    send.frame("cam")
                    last_s[0] = time.monotonic()
                send.socket.send(status_topic("cam") + packet)
                send.socket.poll(round(1000 * interval_s / 8))
            send.end()

        with (
            in_thread(work),
            Subscriber(
                address,
                timeout_s=WAIT_S,
                control=False,
                on_state=lambda now: told.append((time.monotonic(), now[0].state)),
            ) as subscriber,
        ):
            assert len(list(subscriber)) == frames
    live = [state for _, state in told].index(State.LIVE)
    assert [state for _, state in told[live:]] == [State.LIVE, State.STALE, State.ENDED]
    assert told[live + 1][0] - last_s[0] >= 1.4 * interval_s
