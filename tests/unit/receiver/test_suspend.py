"""A machine that sleeps: its boot clock goes on, its monotonic clock stands still."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from rankcast.boot_clock import boot_ns, boot_s, slept_s
from rankcast.errors import NoStreamError
from rankcast.frame import Frame, Pixels
from rankcast_receiver import Subscriber
from rankcast_receiver.state import State
from rankcast_sender import Publisher
from rankcast_sender.camera.source_state import SourceState
from support.fakes import FakeSource, free_address

pytestmark = pytest.mark.skipif(
    not hasattr(time, "CLOCK_BOOTTIME"), reason="this system has no clock that counts suspends"
)

HOUR_S = 3600
PICTURE = np.zeros((8, 8), np.uint8)
Sleep = Callable[[float], None]


@pytest.fixture
def sleep(monkeypatch: pytest.MonkeyPatch) -> Sleep:
    """Suspend the machine: time of day and boot clock jump, `time.monotonic` does not."""
    slept = 0.0
    read, read_ns, utc_ns = time.clock_gettime, time.clock_gettime_ns, time.time_ns

    def shifted(clock: int) -> float:
        return read(clock) + (slept if clock == time.CLOCK_BOOTTIME else 0.0)

    def shifted_ns(clock: int) -> int:
        return read_ns(clock) + (round(slept * 1e9) if clock == time.CLOCK_BOOTTIME else 0)

    def suspend(duration_s: float) -> None:
        nonlocal slept
        slept += duration_s

    monkeypatch.setattr(time, "clock_gettime", shifted)
    monkeypatch.setattr(time, "clock_gettime_ns", shifted_ns)
    monkeypatch.setattr(time, "time_ns", lambda: utc_ns() + round(slept * 1e9))
    return suspend


def test_the_boot_clock_counts_a_suspend_and_says_how_long_it_was(sleep: Sleep) -> None:
    before_ns, before_s, awake_s, slept_before_s = boot_ns(), boot_s(), time.monotonic(), slept_s()
    sleep(HOUR_S)
    assert HOUR_S <= boot_s() - before_s < HOUR_S + 60
    assert HOUR_S * 10**9 <= boot_ns() - before_ns < (HOUR_S + 60) * 10**9
    assert slept_s() - slept_before_s == pytest.approx(HOUR_S, abs=0.1)
    assert time.monotonic() - awake_s < 60


def wait_state(subscriber: Subscriber, live: bool) -> None:
    """Look until the camera is live, or is not; before a picture is a second old by itself."""
    ends = time.monotonic() + 0.9
    for packets in subscriber.packets():
        subscriber.decoder.decode(packets)
        if [state.state is State.LIVE for state in subscriber.states] == [live]:
            return
        assert time.monotonic() < ends, subscriber.states


def wait_status(subscriber: Subscriber) -> None:
    """Wait for the first status, which says whose clock the time stamps are from."""
    for packets in subscriber.packets():
        subscriber.decoder.decode(packets)
        if subscriber.streams["cam"].status is not None:
            return


def show(publisher: Publisher, subscriber: Subscriber, image: Pixels | Frame) -> Frame:
    """Publish `image` until the subscriber hands out one with its capture time, or a later one."""
    since_ns = image.t_capture_mono_ns if isinstance(image, Frame) else boot_ns()
    for packets in subscriber.packets():
        # Again, because a receiver that has slept reconnects.
        publisher.send(image)
        for decoded in subscriber.decoder.decode(packets):
            if decoded.frame is not None and decoded.frame.t_capture_mono_ns >= since_ns:
                return decoded.frame
    raise AssertionError("the stream ended")


def test_a_picture_from_before_a_suspend_is_not_live_after_it(sleep: Sleep) -> None:
    address = free_address()
    with Publisher(address, codec="raw") as publisher, Subscriber(address) as subscriber:
        assert publisher.wait_viewers(1, 10)
        show(publisher, subscriber, PICTURE)
        wait_state(subscriber, live=True)
        sleep(HOUR_S)
        wait_state(subscriber, live=False)


def test_a_frame_that_waited_through_a_suspend_tells_its_true_age(sleep: Sleep) -> None:
    address = free_address()
    with Publisher(address, codec="raw") as publisher, Subscriber(address) as subscriber:
        assert publisher.wait_viewers(1, 10)
        show(publisher, subscriber, PICTURE)
        wait_status(subscriber)
        waiting = Frame(PICTURE, t_capture_mono_ns=boot_ns(), t_capture_utc_ns=time.time_ns())
        sleep(HOUR_S)
        frame = show(publisher, subscriber, waiting)
        assert frame.t_capture_here_ns is not None
        assert HOUR_S * 1e9 <= boot_ns() - frame.t_capture_here_ns < (HOUR_S + 60) * 1e9
        wait_state(subscriber, live=False)
        # The stream goes on, and is live again.
        show(publisher, subscriber, PICTURE)
        wait_state(subscriber, live=True)


def test_a_suspend_is_no_silence_that_ends_a_receiver(sleep: Sleep) -> None:
    with Subscriber(free_address(), timeout_s=1.0) as subscriber:
        looks = iter(subscriber.packets())
        next(looks)
        sleep(HOUR_S)
        started_s = time.monotonic()
        with pytest.raises(NoStreamError):
            list(looks)
        assert time.monotonic() - started_s > 0.5


def test_a_camera_is_not_live_after_a_suspend_until_it_delivers(sleep: Sleep) -> None:
    state = SourceState()
    state.opened(FakeSource([], fps=30), announces=True)
    state.frame_grabbed()
    assert state.word == "live"
    sleep(HOUR_S)
    assert state.word == "stalled"
    state.frame_grabbed()
    assert state.word == "live"
