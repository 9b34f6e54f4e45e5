"""A Subscriber that gets no frame says why: silence, a sender without frames, or late pictures."""

from __future__ import annotations

import threading
import time

import pytest

from rankcast.boot_clock import boot_ns
from rankcast.errors import NoStreamError
from rankcast.frame import Frame
from rankcast.wire import Kind, Limits, Status, frames_topic, pack_status, status_topic
from rankcast_receiver import Subscriber
from rankcast_receiver.state import CameraState, State
from rankcast_receiver.stream.late_frame_hold import HOLD_S
from support.bare_sender import WAIT_S, Sender, in_thread, sender
from support.fakes import free_address, picture


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
            packet = pack_status(Kind.STATUS, send.encoders["cam"].stream_id, Status(), 1, 2)
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


def late_message(send: Sender) -> bytes:
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

    with sender(address) as send:

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
        sender(address) as send,
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
        send.say("cam", "stalled")
        with pytest.raises(NoStreamError, match="the sender responds, cam is stalled"):
            list(subscriber)


def test_a_silent_connection_is_rebuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rankcast_receiver.net.connection.KEEP_SILENCE_S", 0.2)
    address = free_address()
    arrived = threading.Event()
    with sender(address) as send:

        def work() -> None:
            send.wait_viewers(3)  # it was rebuilt twice
            while not arrived.is_set():
                send.frame("cam", 9)
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
            send.frame("cam", value)
        values = []
        for frame in subscriber:
            values.append(int(frame.pixels[0, 0]))
            threading.Event().wait(0.4)  # the slow caller
            if len(values) == 3:
                send.end()
    assert values == [0, 1, 2]


def test_a_sender_that_died_is_told_from_one_without_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rankcast_receiver.state.camera_state.ANSWER_S", 0.1)
    address = free_address()
    with sender(address) as send, Subscriber(address, timeout_s=0.6) as subscriber:
        send.wait_viewers()
        send.say("cam")
        with pytest.raises(
            NoStreamError, match=r"silent for 0\.\d s; its last status: cam is live"
        ):
            list(subscriber)


def test_why_nothing_of_a_stream_can_be_taken_is_said_when_the_wait_is_over() -> None:
    address = free_address()
    with (
        sender(address) as send,
        Subscriber(address, timeout_s=1.0, limits=Limits(max_samples=100)) as subscriber,
    ):
        send.wait_viewers()
        send.say("cam")
        send.frame("cam")
        with pytest.raises(
            NoStreamError, match=r"cam is live, but its packets are refused \(got 24 x"
        ):
            list(subscriber)


@pytest.mark.slow
def test_a_stream_of_a_slow_pace_is_live_between_its_frames_and_stale_once_one_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rankcast_receiver.state.camera_state.STALE_S", 0.3)
    address, told = free_address(), list[tuple[float, State]]()
    interval_s, frames = 0.8, 3
    last_s = [0.0]
    with sender(address) as send:
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
