"""Lanes and the receiver's path, with fake sinks."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from rankcast.errors import SinkError
from rankcast.frame import Frame
from rankcast.runtime import SINK, SKIPPED_AS_OLD, STOPPED, Worker
from rankcast_receiver.pipeline import ReceiverPipeline
from rankcast_receiver.report import Outcome, Tally, build_report
from rankcast_receiver.sinks import Arrival, SinkRunner
from rankcast_receiver.subscriber import Subscriber
from rankcast_sender import Publisher
from support.fakes import FakeSink, free_address, picture

WAIT_S = 10.0


def arrival(sequence: int, camera: str = "cam") -> Arrival:
    frame = Frame(picture(), sequence=sequence, camera=camera, t_capture_here_ns=1)
    return Arrival(frame, 2)


def started(runner: SinkRunner) -> Worker:
    worker = Worker("runner", runner.run)
    worker.start()
    return worker


def test_a_slow_live_sink_always_gets_the_newest_frame_and_every_skip_is_counted() -> None:
    busy, go_on = threading.Event(), threading.Event()

    def wait(_: Frame) -> None:
        busy.set()
        go_on.wait(WAIT_S)

    sink = FakeSink(before_put=wait)
    runner = SinkRunner("fake", lambda: sink, live=True)
    worker = started(runner)
    runner.put(arrival(0))
    assert busy.wait(WAIT_S)
    for sequence in range(1, 10):  # all while frame 0 is being handled
        runner.put(arrival(sequence))
    go_on.set()
    runner.close()
    worker.join(WAIT_S)
    assert [frame.sequence for frame in sink.frames] == [0, 9]
    balance = runner.ledger.balance()
    assert (balance.entered, balance.passed, dict(balance.lost)) == (10, 2, {SKIPPED_AS_OLD: 8})


def test_a_slow_live_sink_keeps_the_newest_frame_of_every_camera() -> None:
    gate = threading.Event()
    sink = FakeSink(before_put=lambda _: gate.wait(WAIT_S))
    runner = SinkRunner("fake", lambda: sink, live=True)
    worker = started(runner)
    for sequence in range(5):
        runner.put(arrival(sequence, "left"))
        runner.put(arrival(sequence, "right"))
    gate.set()
    runner.close()
    worker.join(WAIT_S)
    last = {frame.camera: frame.sequence for frame in sink.frames}
    assert last == {"left": 4, "right": 4}
    assert runner.ledger.balance().under_way == 0


def test_keeping_everything_holds_the_receiver_back_and_loses_nothing() -> None:
    sink = FakeSink()
    runner = SinkRunner("fake", lambda: sink, live=False)
    worker = started(runner)
    for sequence in range(100):
        runner.put(arrival(sequence))
    runner.close()
    worker.join(WAIT_S)
    assert [frame.sequence for frame in sink.frames] == list(range(100))
    assert runner.ledger.balance().lost == {}


def test_a_frame_that_the_sink_cannot_take_is_counted_and_the_next_one_comes() -> None:
    sink = FakeSink(fails_on=(1, 2))
    runner = SinkRunner("fake", lambda: sink, live=False)
    worker = started(runner)
    for sequence in range(4):
        runner.put(arrival(sequence))
    runner.close()
    worker.join(WAIT_S)
    assert [frame.sequence for frame in sink.frames] == [0, 3]
    assert runner.ledger.balance().lost == {SINK: 2}


def test_a_lane_is_full_after_the_wanted_number_and_counts_what_came_later() -> None:
    sink = FakeSink()
    runner = SinkRunner("fake", lambda: sink, live=False, most_frames=3)
    worker = started(runner)
    for sequence in range(6):
        runner.put(arrival(sequence))
    worker.join(WAIT_S)
    runner.put(arrival(6))
    assert runner.full
    balance = runner.ledger.balance()
    assert (balance.passed, dict(balance.lost)) == (3, {STOPPED: 4})
    assert balance.under_way == 0


def test_the_sink_lives_in_one_thread_and_is_closed_once() -> None:
    sink = FakeSink()
    runner = SinkRunner("fake", lambda: sink, live=True)
    worker = started(runner)
    runner.put(arrival(0))
    runner.close()
    worker.join(WAIT_S)
    assert len(sink.threads) == 1
    assert threading.current_thread() not in sink.threads
    assert sink.closed == 1


def receive(
    runners: list[SinkRunner], frames: int, main: SinkRunner | None = None
) -> ReceiverPipeline:
    """Run a pipeline against a publisher of `frames` frames."""
    address = free_address()

    def subscribe(stopped: Callable[[], bool]) -> Subscriber:
        return Subscriber(address, live=False, timeout_s=WAIT_S, stopped=stopped)

    pipeline = ReceiverPipeline(subscribe, runners, main)
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
    runners = [
        SinkRunner("save", lambda: good, live=False),
        SinkRunner("display", lambda: bad, live=False),
    ]
    pipeline = receive(runners, 10)
    report = build_report(runners, pipeline.tally, pipeline.outcome, 1.0)
    assert report["delivered"] == report["saved"] == report["published"] == 10
    assert report["shown"] == 9
    assert report["sinks"]["display"] == {"delivered": 9, "lost": {SINK: 1}, "balanced": True}
    assert report["balanced"]
    assert report["bytes_per_frame"] > picture().nbytes
    assert len(report["streams"]) == 1


def test_a_sink_that_must_run_in_the_main_thread_does_and_can_quit() -> None:
    sink = FakeSink("display", quits_after=2)
    runner = SinkRunner("display", lambda: sink, live=False)
    receive([runner], 5, main=runner)
    assert len(sink.frames) == 2
    assert sink.threads == {threading.current_thread()}
    assert runner.ledger.balance().under_way == 0


def test_a_sink_that_cannot_be_opened_is_the_owners_exception() -> None:
    def open_sink() -> FakeSink:
        raise SinkError("no display")

    pipeline = ReceiverPipeline(
        lambda stopped: Subscriber(free_address(), stopped=stopped),
        [SinkRunner("display", open_sink, live=True)],
    )
    pipeline.start()
    assert pipeline.wait(WAIT_S)
    with pytest.raises(SinkError, match="no display"):
        pipeline.join()


def test_a_receiver_that_heard_nothing_reports_what_it_does_not_know_as_null() -> None:
    report = build_report([SinkRunner("count", FakeSink, live=True)], Tally(), Outcome(), 0.5)
    assert report["published"] is None
    assert report["fps"] is None
    assert report["latency_ms"] == {"p50": None, "p99": None}
    assert report["balanced"]


def test_a_sink_that_breaks_leaves_no_frame_unaccounted_for() -> None:
    def fall_over(_: Frame) -> None:
        raise ZeroDivisionError

    runner = SinkRunner("fake", lambda: FakeSink(before_put=fall_over), live=False)
    runner.put(arrival(0))
    runner.put(arrival(1))
    with pytest.raises(ZeroDivisionError):
        runner.run()
    balance = runner.ledger.balance()
    assert (balance.passed, dict(balance.lost)) == (0, {SINK: 1, STOPPED: 1})


def test_an_abandoned_lane_counts_what_waited() -> None:
    runner = SinkRunner("fake", FakeSink, live=False)
    for sequence in range(3):
        runner.put(arrival(sequence))
    runner.abandon()
    runner.run()
    assert runner.ledger.balance().lost == {STOPPED: 3}
