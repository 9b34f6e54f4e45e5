"""Lanes and the receiver's path, with fake sinks."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from fakes import FakeSink, free_address, picture
from rankcast.errors import SinkError
from rankcast.frame import Frame
from rankcast.ledger import SINK, SKIPPED_AS_OLD, STOPPED
from rankcast.worker import Worker
from rankcast_receiver.lane import Arrival, Lane
from rankcast_receiver.pipeline import ReceiverPipeline
from rankcast_receiver.report import Outcome, Tally, build_report
from rankcast_receiver.subscriber import Subscriber
from rankcast_sender import Publisher

WAIT_S = 10.0


def arrival(sequence: int, camera: str = "cam") -> Arrival:
    frame = Frame(picture(), sequence=sequence, camera=camera, t_capture_here_ns=1)
    return Arrival(frame, 2)


def started(lane: Lane) -> Worker:
    worker = Worker("lane", lane.run)
    worker.start()
    return worker


def test_a_slow_live_sink_always_gets_the_newest_frame_and_every_skip_is_counted() -> None:
    busy, go_on = threading.Event(), threading.Event()

    def wait(_: Frame) -> None:
        busy.set()
        go_on.wait(WAIT_S)

    sink = FakeSink(before_put=wait)
    lane = Lane("fake", lambda: sink, live=True)
    worker = started(lane)
    lane.put(arrival(0))
    assert busy.wait(WAIT_S)
    for sequence in range(1, 10):  # all while frame 0 is being handled
        lane.put(arrival(sequence))
    go_on.set()
    lane.close()
    worker.join(WAIT_S)
    assert [frame.sequence for frame in sink.frames] == [0, 9]
    balance = lane.ledger.balance()
    assert (balance.entered, balance.passed, dict(balance.lost)) == (10, 2, {SKIPPED_AS_OLD: 8})


def test_a_slow_live_sink_keeps_the_newest_frame_of_every_camera() -> None:
    gate = threading.Event()
    sink = FakeSink(before_put=lambda _: gate.wait(WAIT_S))
    lane = Lane("fake", lambda: sink, live=True)
    worker = started(lane)
    for sequence in range(5):
        lane.put(arrival(sequence, "left"))
        lane.put(arrival(sequence, "right"))
    gate.set()
    lane.close()
    worker.join(WAIT_S)
    last = {frame.camera: frame.sequence for frame in sink.frames}
    assert last == {"left": 4, "right": 4}
    assert lane.ledger.balance().under_way == 0


def test_keeping_everything_holds_the_receiver_back_and_loses_nothing() -> None:
    sink = FakeSink()
    lane = Lane("fake", lambda: sink, live=False)
    worker = started(lane)
    for sequence in range(100):
        lane.put(arrival(sequence))
    lane.close()
    worker.join(WAIT_S)
    assert [frame.sequence for frame in sink.frames] == list(range(100))
    assert lane.ledger.balance().lost == {}


def test_a_frame_that_the_sink_cannot_take_is_counted_and_the_next_one_comes() -> None:
    sink = FakeSink(fails_on=(1, 2))
    lane = Lane("fake", lambda: sink, live=False)
    worker = started(lane)
    for sequence in range(4):
        lane.put(arrival(sequence))
    lane.close()
    worker.join(WAIT_S)
    assert [frame.sequence for frame in sink.frames] == [0, 3]
    assert lane.ledger.balance().lost == {SINK: 2}


def test_a_lane_is_full_after_the_wanted_number_and_counts_what_came_later() -> None:
    sink = FakeSink()
    lane = Lane("fake", lambda: sink, live=False, most_frames=3)
    worker = started(lane)
    for sequence in range(6):
        lane.put(arrival(sequence))
    worker.join(WAIT_S)
    lane.put(arrival(6))
    assert lane.full
    balance = lane.ledger.balance()
    assert (balance.passed, dict(balance.lost)) == (3, {STOPPED: 4})
    assert balance.under_way == 0


def test_the_sink_lives_in_one_thread_and_is_closed_once() -> None:
    sink = FakeSink()
    lane = Lane("fake", lambda: sink, live=True)
    worker = started(lane)
    lane.put(arrival(0))
    lane.close()
    worker.join(WAIT_S)
    assert len(sink.threads) == 1
    assert threading.current_thread() not in sink.threads
    assert sink.closed == 1


def receive(lanes: list[Lane], frames: int, main: Lane | None = None) -> ReceiverPipeline:
    """Run a pipeline against a publisher of `frames` frames."""
    address = free_address()

    def subscribe(stopped: Callable[[], bool]) -> Subscriber:
        return Subscriber(address, live=False, timeout_s=WAIT_S, stopped=stopped)

    pipeline = ReceiverPipeline(subscribe, lanes, main)
    with Publisher(address, codec="raw", realtime=False, linger_s=1) as publisher:
        pipeline.start()
        assert publisher.wait_viewers(1, WAIT_S)
        for value in range(frames):
            if publisher.send(picture(value)) is None:
                break  # the receiver has what it wanted and left
        if main is not None:
            pipeline.run_main_thread()
        publisher.close()
        assert pipeline.wait(WAIT_S)
        pipeline.join()
    return pipeline


def test_two_sinks_each_keep_their_own_account() -> None:
    good, bad = FakeSink("save"), FakeSink("display", fails_on=(3,))
    lanes = [Lane("save", lambda: good, live=False), Lane("display", lambda: bad, live=False)]
    pipeline = receive(lanes, 10)
    report = build_report(lanes, pipeline.tally, pipeline.outcome, 1.0)
    assert report["delivered"] == report["saved"] == report["published"] == 10
    assert report["shown"] == 9
    assert report["sinks"]["display"] == {"delivered": 9, "lost": {SINK: 1}, "balanced": True}
    assert report["balanced"]
    assert report["bytes_per_frame"] > picture().nbytes
    assert len(report["streams"]) == 1


def test_a_sink_that_must_run_in_the_main_thread_does_and_can_quit() -> None:
    sink = FakeSink("display", quits_after=2)
    lane = Lane("display", lambda: sink, live=False)
    receive([lane], 5, main=lane)
    assert len(sink.frames) == 2
    assert sink.threads == {threading.current_thread()}
    assert lane.ledger.balance().under_way == 0


def test_a_sink_that_cannot_be_opened_is_the_owners_exception() -> None:
    def open_sink() -> FakeSink:
        raise SinkError("no display")

    pipeline = ReceiverPipeline(
        lambda stopped: Subscriber(free_address(), stopped=stopped),
        [Lane("display", open_sink, live=True)],
    )
    pipeline.start()
    assert pipeline.wait(WAIT_S)
    with pytest.raises(SinkError, match="no display"):
        pipeline.join()


def test_a_receiver_that_heard_nothing_reports_what_it_does_not_know_as_null() -> None:
    report = build_report([Lane("count", FakeSink, live=True)], Tally(), Outcome(), 0.5)
    assert report["published"] is None
    assert report["fps"] is None
    assert report["latency_ms"] == {"p50": None, "p99": None}
    assert report["balanced"]


def test_a_sink_that_breaks_leaves_no_frame_unaccounted_for() -> None:
    def fall_over(_: Frame) -> None:
        raise ZeroDivisionError

    lane = Lane("fake", lambda: FakeSink(before_put=fall_over), live=False)
    lane.put(arrival(0))
    lane.put(arrival(1))
    with pytest.raises(ZeroDivisionError):
        lane.run()
    balance = lane.ledger.balance()
    assert (balance.passed, dict(balance.lost)) == (0, {SINK: 1, STOPPED: 1})


def test_an_abandoned_lane_counts_what_waited() -> None:
    lane = Lane("fake", FakeSink, live=False)
    for sequence in range(3):
        lane.put(arrival(sequence))
    lane.abandon()
    lane.run()
    assert lane.ledger.balance().lost == {STOPPED: 3}
