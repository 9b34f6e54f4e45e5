"""Sink runners and the path through the receiver, with fake sinks."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Generator
from dataclasses import replace

import pytest

import rankcast
from rankcast.errors import NeedKeyframe, SinkError
from rankcast.frame import Frame
from rankcast.runtime import (
    SINK,
    SKIPPED_AS_OLD,
    STOPPED,
    WAITING_FOR_KEYFRAME,
    Balance,
    Worker,
    packet_backlog,
)
from rankcast.runtime.packet_backlog import LIVE_PACKETS
from rankcast.wire import Header, Kind, Packet
from rankcast_receiver.pipeline import ReceiverPipeline
from rankcast_receiver.report import Outcome, Tally, build_report
from rankcast_receiver.sinks import SinkRunner
from rankcast_receiver.stream import CameraPacket, Decoded, PacketBatch
from rankcast_receiver.subscriber import Subscriber
from rankcast_sender import Publisher
from support.fakes import FakePacketSink, FakeSink, free_address, picture

WAIT_S = 10.0


def decoded(sequence: int, camera: str = "cam") -> Decoded:
    """One turn of the decode loop: a packet and its frame."""
    header = Header(Kind.KEY, bytes(8), sequence)
    packet = CameraPacket(camera, Packet(header, memoryview(b""), 3), memoryview(b"abc"), 0.5)
    frame = Frame(picture(), sequence=sequence, camera=camera, t_capture_here_ns=1)
    return Decoded((packet,), frame)


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
    runner.put(decoded(0))
    assert busy.wait(WAIT_S)
    for sequence in range(1, 10):  # all while frame 0 is being handled
        runner.put(decoded(sequence))
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
        runner.put(decoded(sequence, "left"))
        runner.put(decoded(sequence, "right"))
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
        runner.put(decoded(sequence))
    runner.close()
    worker.join(WAIT_S)
    assert [frame.sequence for frame in sink.frames] == list(range(100))
    assert runner.ledger.balance().lost == {}


def test_a_frame_that_the_sink_cannot_take_is_counted_and_the_next_one_comes() -> None:
    sink = FakeSink(fails_on=(1, 2))
    runner = SinkRunner("fake", lambda: sink, live=False)
    worker = started(runner)
    for sequence in range(4):
        runner.put(decoded(sequence))
    runner.close()
    worker.join(WAIT_S)
    assert [frame.sequence for frame in sink.frames] == [0, 3]
    assert runner.ledger.balance().lost == {SINK: 2}


def test_a_runner_is_full_after_the_wanted_number_and_counts_what_came_later() -> None:
    sink = FakeSink()
    runner = SinkRunner("fake", lambda: sink, live=False, most_frames=3)
    worker = started(runner)
    for sequence in range(6):
        runner.put(decoded(sequence))
    worker.join(WAIT_S)
    runner.put(decoded(6))
    assert runner.full
    balance = runner.ledger.balance()
    assert (balance.passed, dict(balance.lost)) == (3, {STOPPED: 4})
    assert balance.under_way == 0


def test_the_sink_lives_in_one_thread_and_is_closed_once() -> None:
    sink = FakeSink()
    runner = SinkRunner("fake", lambda: sink, live=True)
    worker = started(runner)
    runner.put(decoded(0))
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


def test_a_decode_thread_that_fails_ends_the_iteration_before_it_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The iteration counts a held frame as stopped when it is closed, not when it is forgotten."""
    opened: list[Generator[PacketBatch, None, None]] = []
    at_outcome: list[bool] = []

    def packets(subscriber: Subscriber) -> Generator[PacketBatch, None, None]:
        opened.append(inner(subscriber))
        return opened[0]

    def balance(_: Subscriber) -> Balance:
        at_outcome.append(inspect.getgeneratorstate(opened[0]) == inspect.GEN_CLOSED)
        return Balance(0, 0, {})

    def fall_over(_: Decoded) -> None:
        raise ZeroDivisionError

    inner = Subscriber.packets
    monkeypatch.setattr(Subscriber, "packets", packets)
    monkeypatch.setattr(Subscriber, "balance", balance)
    runner = SinkRunner("fake", FakeSink, live=False)
    monkeypatch.setattr(runner, "put", fall_over)
    with pytest.raises(ZeroDivisionError):
        receive([runner], 1)
    assert at_outcome == [True]


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
    runner.put(decoded(0))
    runner.put(decoded(1))
    with pytest.raises(ZeroDivisionError):
        runner.run()
    balance = runner.ledger.balance()
    assert (balance.passed, dict(balance.lost)) == (0, {SINK: 1, STOPPED: 1})


def test_an_abandoned_runner_counts_what_waited() -> None:
    runner = SinkRunner("fake", FakeSink, live=False)
    for sequence in range(3):
        runner.put(decoded(sequence))
    runner.abandon()
    runner.run()
    assert runner.ledger.balance().lost == {STOPPED: 3}


def test_a_sink_that_takes_packets_gets_every_one_of_them_in_order() -> None:
    sink = FakePacketSink(fails_on=(3,))
    runner = SinkRunner("record", lambda: sink, live=False, wants="packets")
    worker = started(runner)
    for sequence in range(20):
        runner.put(decoded(sequence, "left" if sequence % 2 else "right"))
    runner.put(Decoded((), decoded(20).frame))  # held before; its packet was there already
    runner.close()
    worker.join(WAIT_S)
    assert [item.packet.header.sequence for item in sink.packets] == [
        number for number in range(20) if number != 3
    ]
    assert bytes(sink.packets[0].data) == b"abc"
    balance = runner.ledger.balance()
    assert (balance.entered, balance.passed, dict(balance.lost)) == (20, 19, {SINK: 1})


def test_a_slow_live_sink_of_packets_loses_the_oldest_and_every_loss_is_counted() -> None:
    sink = FakePacketSink()
    runner = SinkRunner("record", lambda: sink, live=True, wants="packets")
    count = LIVE_PACKETS + 44
    for sequence in range(count):  # the sink is not even open
        runner.put(decoded(sequence))
    worker = started(runner)
    runner.close()
    worker.join(WAIT_S)
    assert [item.packet.header.sequence for item in sink.packets] == list(range(44, count))
    balance = runner.ledger.balance()
    assert balance.entered == count
    assert dict(balance.lost) == {SKIPPED_AS_OLD: 44}
    assert balance.under_way == 0


def test_packets_that_wait_for_a_slow_live_sink_are_bounded_in_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packet_backlog, "LIVE_BYTES", 12)
    sink = FakePacketSink()
    runner = SinkRunner("record", lambda: sink, live=True, wants="packets")
    for sequence in range(10):  # three bytes each
        runner.put(decoded(sequence))
    runner.close()
    runner.run()
    assert [item.packet.header.sequence for item in sink.packets] == [6, 7, 8, 9]
    assert dict(runner.ledger.balance().lost) == {SKIPPED_AS_OLD: 6}


def test_what_a_slow_recorder_never_gets_counts_as_its_own_loss_and_it_is_told() -> None:
    sink = FakePacketSink()
    runner = SinkRunner("record", lambda: sink, live=True, wants="packets", replaced_as=SINK)
    for sequence in range(LIVE_PACKETS + 3):
        runner.put(decoded(sequence, "left"))
    runner.close()
    runner.run()
    assert sink.lost == {("left", SINK): 3}
    assert dict(runner.ledger.balance().lost) == {SINK: 3}
    assert runner.kept == LIVE_PACKETS


def test_status_messages_reach_a_recorder_in_their_place_and_count_nowhere() -> None:
    sink = FakePacketSink()
    runner = SinkRunner("record", lambda: sink, live=False, wants="packets")
    one, two = decoded(1).packets[0], replace(decoded(2).packets[0], t_received_s=0.7)
    status = Packet(Header(Kind.STATUS, bytes(8), 2), memoryview(b""), 3)
    notice = CameraPacket("cam", status, memoryview(b"abc"), 0.6)
    runner.put(Decoded((one, two), None, (notice,)))
    runner.close()
    runner.run()
    assert sink.packets == [one, notice, two]
    balance = runner.ledger.balance()
    assert (balance.entered, balance.passed, runner.kept) == (2, 2, 2)


def test_a_frame_whose_reference_is_not_recorded_waits_for_a_key_frame() -> None:
    def put(_: CameraPacket) -> None:
        raise NeedKeyframe("frame 1 is predicted from one that is not recorded")

    sink = FakePacketSink()
    sink.put = put  # type: ignore[method-assign]
    runner = SinkRunner("record", lambda: sink, live=False, wants="packets")
    runner.put(decoded(1))
    runner.close()
    runner.run()
    assert dict(runner.ledger.balance().lost) == {WAITING_FOR_KEYFRAME: 1}


def test_a_sink_that_takes_something_else_than_declared_is_refused_and_closed() -> None:
    sink = FakeSink()
    runner = SinkRunner("record", lambda: sink, live=True, wants="packets")
    runner.put(decoded(0))
    with pytest.raises(SinkError, match="sink record takes frames, not packets"):
        runner.run()
    assert sink.closed == 1
    assert dict(runner.ledger.balance().lost) == {STOPPED: 1}


def test_a_recorder_and_a_window_of_one_receiver_both_account_for_every_packet() -> None:
    window, recorder = FakeSink("display"), FakePacketSink("record")
    runners = [
        SinkRunner("record", lambda: recorder, live=False, wants="packets"),
        SinkRunner("display", lambda: window, live=False),
    ]
    pipeline = receive(runners, 12)
    report = build_report(runners, pipeline.tally, pipeline.outcome, 1.0)
    pictures = [item for item in recorder.packets if item.is_picture]
    assert [item.packet.header.sequence for item in pictures] == list(range(12))
    assert recorder.packets[-1].packet.header.kind is Kind.END
    assert {item.camera for item in recorder.packets} == {"cam"}
    pixels = [rankcast.Decoder().decode(item.data) for item in pictures]
    assert [int(image[0, 0]) for image in pixels] == list(range(12))
    assert report["sinks"]["record"] == {"delivered": 12, "lost": {}, "balanced": True}
    assert report["sinks"]["display"] == {"delivered": 12, "lost": {}, "balanced": True}
    assert report["delivered"] == report["published"] == 12
