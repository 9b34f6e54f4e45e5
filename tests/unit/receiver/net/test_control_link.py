"""The receiver's side of the control channel, against a bare ROUTER."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise

import pytest
import zmq

import rankcast
from rankcast.boot_clock import boot_ns
from rankcast.errors import LimitError
from rankcast.runtime import NETWORK_GAP
from rankcast.wire import unpack
from rankcast_receiver.clock import UNKNOWN, SenderClock
from rankcast_receiver.clock.sender_clock import MEASURED
from rankcast_receiver.net.control_link import ControlLink
from rankcast_receiver.net.sender_requests import MAX_COUNT
from rankcast_receiver.stream import CameraStream
from support.answerer import Answerer, pong
from support.fakes import free_address, picture
from support.received import received, refused

WAIT_S = 10.0
YEAR_NS = 365 * 86_400 * 10**9


@contextmanager
def linked(address: str, clock: SenderClock) -> Iterator[ControlLink]:
    with zmq.Context() as context:
        link = ControlLink(context, address, clock)
        try:
            yield link
        finally:
            link.close()


def until(link: ControlLink, done: Callable[[], bool]) -> None:
    """Run `link` until `done`, or fail."""
    deadline = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < deadline
        link.sockets[0].poll(10)
        link.read()
        link.tick()


def some_stream(clock: SenderClock, frames: int = 3) -> CameraStream:
    stream = CameraStream("cam", clock=clock)
    encoder = rankcast.Encoder("raw")
    for number in range(frames):
        stream.decode([received(unpack(encoder.encode(picture(number))))])
    return stream


def test_five_quick_pings_measure_the_clock_of_the_sender() -> None:
    address, clock = free_address(), SenderClock()
    started = time.monotonic()
    assert clock.known == UNKNOWN
    with Answerer(address, {"ping": pong}) as sender, linked(address, clock) as link:
        until(link, lambda: len(sender.of("ping")) >= 5 and clock.known == MEASURED)
        assert link.answered
        offset = clock.offset.at(boot_ns())
    assert time.monotonic() - started < 3.0
    assert offset is not None
    truth = time.time_ns() - boot_ns()
    # Besides the error bar only what lies between the two reads of this line.
    assert abs(offset.offset_ns - truth) <= offset.error_ns + 5_000_000


def test_a_moment_of_the_sender_is_placed_here_with_its_error() -> None:
    address, clock = free_address(), SenderClock()
    with Answerer(address, {"ping": pong}), linked(address, clock) as link:
        until(link, lambda: clock.known == MEASURED)
    now = boot_ns()
    moment = clock.place(YEAR_NS, time.time_ns() - 250_000_000, now)
    assert moment is not None
    assert abs((now - moment.t_mono_ns) - 250_000_000) <= moment.error_ns + 5_000_000
    clock.restart()
    assert clock.known == UNKNOWN
    assert clock.place(1, time.time_ns(), now) is None


def test_one_machine_needs_no_pings_and_leaves_no_error() -> None:
    clock = SenderClock()
    mono, utc = boot_ns(), time.time_ns()
    clock.hear(mono - YEAR_NS, utc - 50, mono, utc)
    assert clock.known == UNKNOWN, "another machine started at another time"
    clock.hear(mono - 50_000_000, utc - 50_000_000 + 1000, mono, utc)
    assert clock.known == "same machine"
    moment = clock.place(mono - 7, 1, mono)
    assert moment is not None
    assert (moment.t_mono_ns, moment.error_ns) == (mono - 7, 0)


def test_clocks_whose_keepers_vouch_for_them_are_compared_without_pings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from rankcast.runtime.system_clock import ClockQuality

    own = ClockQuality(synchronised=True, error_ms=2.0)
    monkeypatch.setattr("rankcast_receiver.clock.sender_clock.clock_quality", lambda: own)
    clock = SenderClock()
    clock.vouch(True, 3.0)
    now = boot_ns()
    moment = clock.place(1, time.time_ns() - 10_000_000, now)
    assert moment is not None
    assert moment.error_ns == 5_000_000
    assert abs(now - moment.t_mono_ns - 10_000_000) < 5_000_000
    clock.vouch(False, 3.0)
    assert clock.place(1, time.time_ns(), now) is None


def test_a_key_frame_is_asked_for_with_the_stream_and_its_newest_frame_and_not_too_often() -> None:
    address, clock = free_address(), SenderClock()
    stream = some_stream(clock)
    coming = {"keyframe": lambda _: {"coming": True, "sequence": None}}
    with Answerer(address, coming) as sender, linked(address, clock) as link:

        def ask() -> bool:
            link.ask_keyframe("cam", stream)
            return bool(sender.of("keyframe"))

        started = time.monotonic()
        until(link, ask)
        first = time.monotonic()
        until(
            link,
            lambda: (link.ask_keyframe("cam", stream) or True) and len(sender.of("keyframe")) >= 3,
        )
        asked = sender.of("keyframe")
        assert time.monotonic() - started >= 0.4
        assert first - started < WAIT_S
    assert asked[0].camera == "cam"
    assert dict(asked[0].args) == {"stream": stream.stream_id, "sequence": 2}
    assert stream.keyframe_requests >= 3


def test_a_receiver_that_is_too_slow_asks_for_a_key_frame_once_in_two_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each one costs every viewer."""
    address, clock, now = free_address(), SenderClock(), [100.0]
    stream = some_stream(clock)
    too_slow = [True]
    monkeypatch.setattr(CameraStream, "overloaded", property(lambda _: too_slow[0]))
    coming = {"keyframe": lambda _: {"coming": True, "sequence": None}}
    with (
        Answerer(address, coming) as sender,
        zmq.Context() as context,
        closing(ControlLink(context, address, clock, now_s=lambda: now[0])) as link,
    ):
        until(link, lambda: (link.ask_keyframe("cam", stream) or True) and link.answered)
        for now[0] in (100.3, 101.0, 101.9):
            link.ask_keyframe("cam", stream)
        assert stream.keyframe_requests == 1
        now[0] = 102.1
        link.ask_keyframe("cam", stream)
        assert stream.keyframe_requests == 2
        # A frame that was lost on its way is another matter.
        too_slow[0], now[0] = False, 102.4
        link.ask_keyframe("cam", stream)
        assert stream.keyframe_requests == 3
        sender.wait("keyframe", 3)


def test_key_frames_that_are_refused_are_asked_for_less_and_less_until_one_is_decoded() -> None:
    """Every viewer pays for them."""
    address, now = free_address(), [1000.0]
    stream = some_stream(SenderClock())
    coming = {"keyframe": lambda _: {"coming": True, "sequence": None}}

    def asked_after(link: ControlLink) -> list[float]:
        """Pauses between the next six requests, to the tenth of a second."""
        moments, until_s = [now[0]], now[0] + 300
        while len(moments) < 7 and now[0] < until_s:
            now[0] += 0.1
            before = stream.keyframe_requests
            link.ask_keyframe("cam", stream)
            if stream.keyframe_requests > before:
                moments.append(now[0])
        return [round(after - before, 1) for before, after in pairwise(moments)]

    with (
        Answerer(address, coming) as sender,
        zmq.Context() as context,
        closing(ControlLink(context, address, SenderClock(), now_s=lambda: now[0])) as link,
    ):
        until(link, lambda: (link.ask_keyframe("cam", stream) or True) and link.answered)
        stream.decode([refused(LimitError("got 9 bytes, the limit is 4"))])
        assert asked_after(link) == pytest.approx([2, 4, 8, 16, 32, 60], abs=0.15)
        packet = unpack(rankcast.Encoder("raw").encode(picture()))
        assert stream.decode([received(packet)]).frame is not None
        # A frame that was lost on its way afterwards is another matter, and so is a new refusal.
        link.ask_keyframe("cam", stream)
        assert max(asked_after(link)) <= 0.3
        stream.decode([refused(LimitError("got 9 bytes, the limit is 4"))])
        assert asked_after(link)[:2] == pytest.approx([2, 4], abs=0.15)
        sender.wait("keyframe", 3)


def test_a_report_stays_within_what_can_be_sent_whatever_the_sender_counts() -> None:
    address = free_address()
    stream = some_stream(SenderClock())
    stream.ledger.enter(2**66)
    stream.ledger.lose(NETWORK_GAP, 2**66)
    with (
        Answerer(address, {"report": lambda _: {}}) as sender,
        linked(address, SenderClock()) as link,
    ):
        until(link, lambda: sender.of("ping") != [])
        link.report("cam", stream)
        (request,) = sender.wait("report")
    assert request.args["lost"] == MAX_COUNT


@pytest.mark.parametrize("wrong", [-1, 2.0, True, None, "1"])
def test_a_ping_answered_with_no_time_teaches_nothing(wrong: object) -> None:
    address, clock = free_address(), SenderClock()
    lies = {"ping": lambda request: {**pong(request), "t1": wrong, "t2": wrong}}
    with Answerer(address, lies), linked(address, clock) as link:
        until(link, lambda: link.answered and not link._pings)
    assert clock.known == UNKNOWN


def test_a_report_says_what_was_delivered_lost_and_how_late_it_was() -> None:
    address, clock = free_address(), SenderClock()
    mono, utc = boot_ns(), time.time_ns()
    clock.hear(mono, utc, mono, utc)
    stream = CameraStream("cam", clock=clock)
    encoder = rankcast.Encoder("raw")
    for number in range(5):
        frame = rankcast.Frame(
            picture(number),
            t_capture_mono_ns=boot_ns() - 20_000_000,
            t_capture_utc_ns=time.time_ns() - 20_000_000,
        )
        packet = unpack(encoder.encode(frame))
        if number != 2:
            stream.decode([received(packet)])
    with Answerer(address, {"report": lambda _: {}}) as sender, linked(address, clock) as link:
        until(link, link.report_due)
        until(link, lambda: sender.of("ping") != [])
        link.report("cam", stream, 0.75)
        (request,) = sender.wait("report")
        assert not link.report_due(), "once a second"
    assert request.args["delivered"] == 4
    assert request.args["lost"] == request.args["network_lost"] == 1
    assert request.args["late_ms"] == 750.0
    assert 20.0 <= float(str(request.args["latency_p99_ms"])) < 5000.0
    assert request.args["latency_error_ms"] == 0.0


def test_the_cameras_of_the_sender_are_learnt_and_wrong_names_are_not() -> None:
    address = free_address()
    said = {"cameras": {"left": "live", "right": "opening"}}
    with Answerer(address, {"status": lambda _: said}), linked(address, SenderClock()) as link:
        until(link, lambda: (link.ask_cameras() or True) and link.cameras is not None)
        assert link.cameras == ("left", "right")
        link.restart()
        said["cameras"] = {"../../etc": "live"}
        until(link, lambda: (link.ask_cameras() or True) and not link._asked and link.answered)
        assert link.cameras is None


def test_a_channel_that_does_not_answer_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rankcast.net.control_client.SILENCE_S", 0.2)
    address = free_address()
    with Answerer(address, {}) as deaf, linked(address, SenderClock()) as link:
        deadline = time.monotonic() + WAIT_S
        while not link.tick():
            assert time.monotonic() < deadline
            link.sockets[0].poll(10)
        assert deaf.of("ping")
        assert not link.answered


def test_nobody_there_costs_nothing_and_keeps_nothing() -> None:
    with linked(free_address(), SenderClock()) as link:
        stream = some_stream(SenderClock())
        for _ in range(10):
            link.tick()
            link.ask_keyframe("cam", stream)
            link.report("cam", stream)
        assert stream.keyframe_requests == 0, "what was not sent was not asked"
        assert not link._pings
        assert not link._asked
