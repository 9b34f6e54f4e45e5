"""RequestHandler: who may ask for what, and what is answered to whatever is asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from queue import Queue
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.decoder import Decoder
from rankcast.errors import SettingsError
from rankcast.frame import Frame, Scalar
from rankcast.recorder import Triggers
from rankcast.wire import (
    OPERATIONS,
    Kind,
    Reply,
    Request,
    pack_reply,
    pack_status,
    parse_status,
    unpack,
)
from rankcast_sender.camera import Camera, StreamOptions
from rankcast_sender.control import OPERATOR, Client, RequestHandler
from rankcast_sender.control.originals import Originals
from rankcast_sender.control.request_handler import VIEWER
from rankcast_sender.sockets.credit_gate import CreditGate
from rankcast_sender.sources import Adjustments
from support.fakecamera import open_source
from support.fakes import picture

T1 = 123
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats()
    | st.text(max_size=5) | st.binary(max_size=20)
)  # fmt: skip


class Late:
    """Collects late replies."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []

    def __call__(self, reply: Reply) -> None:
        self.replies.append(reply)


@pytest.fixture(scope="module")
def camera() -> Camera:
    return Camera(StreamOptions("left", "svd-patch"))


@pytest.fixture(scope="module")
def handler(camera: Camera) -> RequestHandler:
    handler = RequestHandler(2**25)
    handler.add(camera)
    return handler


@pytest.fixture
def adjustments(camera: Camera) -> Iterator[Adjustments]:
    adjustments = Adjustments({"gain": 1.0})
    open_source(camera, adjustments)
    yield adjustments
    camera.source.closed()


def ask(
    handler: RequestHandler, op: str, camera: str = "", role: str | None = OPERATOR, **args: Any
) -> Reply:
    late = Late()
    reply = handler.answer(Request(5, op, camera, args), Client(b"me", role), T1, late)
    if reply is None:
        serve(handler)
        (reply,) = late.replies
    assert reply.id == 5
    return reply


CREDIT: dict[str, Scalar] = {"token": b"t" * 16, "stream": b"s" * 8, "until": 9}


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": b"t" * 15}, {"token": "t" * 16}, {"token": None}, {"stream": b""},
        {"stream": 7}, {"until": -1}, {"until": True}, {"until": None}, {"more": 1},
    ],
)  # fmt: skip
def test_credit_takes_a_token_a_stream_and_a_sequence(
    handler: RequestHandler, wrong: dict[str, Scalar]
) -> None:
    assert ask(handler, "credit", **CREDIT).result == {}
    assert not ask(handler, "credit", **{**CREDIT, **wrong}).ok


def test_credit_reaches_the_gate_of_its_stream_and_is_ignored_in_real_time(
    handler: RequestHandler, camera: Camera
) -> None:
    credit = {**CREDIT, "stream": camera.stream_id}
    assert ask(handler, "credit", **credit).ok, "in real time"
    camera.channel.gate = gate = CreditGate("left", 60.0, lambda: None)
    try:
        gate.follow({b"t" * 16: "anna"}, 0)
        assert ask(handler, "credit", **CREDIT).ok, "of another stream"
        assert not gate.allows(8)
        assert ask(handler, "credit", **credit).ok
        assert gate.allows(8)
        assert not gate.allows(9)
    finally:
        camera.channel.gate = None


def serve(handler: RequestHandler) -> None:
    """Do what the thread of the settings does in a sender."""
    while handler._settings.serve_one():
        pass


@pytest.mark.parametrize("op", OPERATIONS)
def test_a_viewer_may_watch_and_an_operator_may_change(handler: RequestHandler, op: str) -> None:
    for role, allowed in ((VIEWER, op not in ("set", "original", "record")), (None, False)):
        args = {"ping": {"t0": 1}, "credit": CREDIT}.get(op, {})
        reply = ask(handler, op, role=role, **args)
        assert reply.ok == allowed, reply.error


def test_a_ping_carries_three_clocks(handler: RequestHandler) -> None:
    before = time.time_ns()
    result = ask(handler, "ping", t0=7).result
    assert (result["t0"], result["t1"]) == (7, T1)
    assert before <= int(str(result["t2"])) <= time.time_ns()
    assert not ask(handler, "ping").ok
    assert not ask(handler, "ping", t0=-1).ok
    assert not ask(handler, "ping", t0=True).ok


def test_all_values_or_none_are_set_and_exclusive_ones_replace_each_other(
    handler: RequestHandler,
) -> None:
    assert ask(handler, "set", quality=40, gop=7).result == {"quality": 40, "gop": 7}
    assert not ask(handler, "set", quality=41, gop=0).ok
    assert ask(handler, "get", name="quality").result == {"quality": 40}
    assert ask(handler, "set", psnr=38.0).result == {"psnr": 38.0}
    assert ask(handler, "get", name="quality").result == {"quality": None}
    assert not ask(handler, "set", psnr=38.0, quality=3).ok
    assert not ask(handler, "set").ok
    assert "want" in ask(handler, "set", **{str(n): 1 for n in range(33)}).error


def test_values_of_codec_and_device_are_set_together_once_the_device_took_its_own(
    handler: RequestHandler, adjustments: Adjustments
) -> None:
    late = Late()
    request = Request(9, "set", "left", {"gain": 4, "gop": 11})
    assert handler.answer(request, Client(b"me", OPERATOR), T1, late) is None
    serve(handler)
    assert ask(handler, "get", name="gop").result != {"gop": 11}
    assert "another change of left is in progress" in ask(handler, "set", gop=5).error
    adjustments.serve(lambda wanted: {"gain": float(wanted["gain"])})  # type: ignore[arg-type]
    serve(handler)
    assert late.replies == [Reply(9, True, result={"gop": 11, "gain": 4.0})]
    assert ask(handler, "get", name="gain").result == {"gain": 4.0}
    assert ask(handler, "get", name="gop").result == {"gop": 11}
    adjustments.close()
    assert "accepts no changes" in ask(handler, "set", gain=2).error
    assert ask(handler, "set", gop=12).ok


def test_the_log_says_who_changed_what(
    camera: Camera, adjustments: Adjustments, caplog: pytest.LogCaptureFixture
) -> None:
    handler, late = RequestHandler(2**25), Late()
    handler.add(camera)
    caplog.set_level(logging.INFO, "rankcast_sender.control.change_log")

    def change(key: str, role: str = OPERATOR, **args: Any) -> None:
        handler.answer(Request(1, "set", "", args), Client(b"me", role, key), T1, late)
        serve(handler)

    change("anna", gop=9)
    change("", gop=8)
    change("bob", gain=2.0)
    adjustments.serve(dict)
    # Values that are in effect already, and requests that are refused, are no changes.
    change("eve", gop=8)
    change("eve", gain=2.0)
    adjustments.serve(dict)
    change("eve", VIEWER, gop=7)
    change("eve", gop=0)
    assert [record.getMessage() for record in caplog.records] == [
        "left: anna (operator) set gop = 9",
        "left: a client (no keys) set gop = 8",
        "left: bob (operator) set gain = 2.0",
    ]


def test_a_key_frame_is_asked_for_by_stream_and_sequence(
    handler: RequestHandler, camera: Camera
) -> None:
    assert ask(handler, "keyframe").result == {"coming": True, "sequence": None}
    assert ask(handler, "keyframe", stream=camera.stream_id, sequence=5).result["coming"]
    assert not ask(handler, "keyframe", stream=bytes(8), sequence=5).result["coming"]
    assert not ask(handler, "keyframe", stream=b"short").ok


def test_reports_show_in_the_status(handler: RequestHandler) -> None:
    assert ask(handler, "report", delivered=5, lost=2, latency_p99_ms=12).ok
    assert ask(handler, "report", delivered=5, lost=2, network_lost=2, late_ms=3.5).ok
    assert ask(handler, "report", delivered=5, lost=2, latency_p99_ms=12).ok
    assert not ask(handler, "report", network_lost=-1).ok
    assert not ask(handler, "report", late_ms="never").ok
    assert not ask(handler, "report", delivered=-5).ok
    assert not ask(handler, "report", latency_p99_ms=float("nan")).ok
    status = ask(handler, "status").result
    assert status["reports"] == {"viewers": 1, "lost": 2, "latency_p99_ms": 12.0}
    assert (status["name"], status["cameras"]) == ("left", {"left": "live"})


@pytest.mark.parametrize(("said_ms", "told_ms"), [(-0.4, 0.0), (1e300, 1e9)])
def test_no_report_of_a_viewer_makes_a_status_that_others_refuse(
    handler: RequestHandler, camera: Camera, said_ms: float, told_ms: float
) -> None:
    assert ask(handler, "report", latency_p99_ms=said_ms).ok
    packet = pack_status(Kind.STATUS, camera.stream_id, camera.status(), 1, 2)
    assert parse_status(unpack(packet)).viewers_latency_p99_ms == told_ms


def test_of_two_cameras_one_must_be_named_and_no_name_comes_twice() -> None:
    both = RequestHandler(2**25)
    for name in ("a", "b"):
        both.add(Camera(StreamOptions(name, "raw")))
    with pytest.raises(SettingsError, match="two cameras are named b"):
        both.add(Camera(StreamOptions("b", "raw")))
    assert set(ask(both, "status").result) == {"cameras"}
    assert ask(both, "status", "b").result["name"] == "b"
    assert ask(both, "get").error == "no camera is named in the request, want one of a, b"
    assert ask(both, "get", "c").error == "got camera c, want one of a, b"


def test_a_client_with_cameras_knows_no_others() -> None:
    handler = RequestHandler(2**25)
    handler.triggers = Mock(spec=Triggers)
    for name in ("a", "b", "c"):
        handler.add(Camera(StreamOptions(name, "jpeg")))

    def ask_as(cameras: set[str], op: str, camera: str = "") -> Reply:
        client = Client(b"me", OPERATOR, "anna", frozenset(cameras))
        reply = handler.answer(Request(5, op, camera), client, T1, Late())
        assert reply is not None
        return reply

    # One that has no camera by this name yet is no different.
    some = {"a", "c", "later"}
    assert set(ask_as(some, "status").result["cameras"]) == {"a", "c"}
    assert "name" not in ask_as(some, "status").result
    assert ask_as({"b"}, "status").result["name"] == "b"
    assert ask_as({"b"}, "get").ok
    for op in ("status", "get", "set", "keyframe", "original", "report", "credit"):
        assert ask_as(some, op, "b").error == "got camera b, want one of a, c"
        assert ask_as(some, op, "z").error == "got camera z, want one of a, c"
        assert ask_as({"z"}, op, "a").error == "this key may see no camera of this sender"
    assert ask_as({"z"}, "status").result == {"cameras": {}}
    assert "for all cameras" in ask_as({"a", "b", "c"}, "record").error
    handler.triggers.pull.assert_not_called()


def test_an_original_that_was_sent_as_an_array_is_copied_for_the_request() -> None:
    handler, late = RequestHandler(2**25), Late()
    camera = Camera(StreamOptions(codec="raw"))
    handler.add(camera)
    handler.start()
    try:
        assert handler.answer(Request(1, "original"), Client(b"me", OPERATOR), T1, late) is None
        image = picture(7)
        deadline = time.monotonic() + 10
        while not late.replies and time.monotonic() < deadline:
            image[:] = 7
            camera.grabbed(image)
            image[:] = 99  # its owner reuses the memory
    finally:
        handler.close()
    (reply,) = late.replies
    assert reply.ok, reply.error
    assert (Decoder().decode(reply.packet) == 7).all()


def test_an_original_that_fails_unexpectedly_is_refused_and_the_next_one_is_served(
    camera: Camera, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    came = Queue[Reply]()
    originals = Originals(2**25)
    originals.start()
    try:
        camera.grabbed(Frame(picture(7)))
        with monkeypatch.context() as patch:
            patch.setattr("rankcast.encoder.Encoder.encode", Mock(side_effect=MemoryError))
            originals.ask(camera, 1, came.put)
            refused = came.get(timeout=10)
        originals.ask(camera, 2, came.put)
        assert came.get(timeout=10).ok
    finally:
        originals.stop()
        originals.worker.join(5)
    assert refused.error == "encoding failed with MemoryError: the log of the sender has details"
    assert caplog.text.count("Traceback") == 1


def test_originals_are_given_out_within_a_budget_of_bytes(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that asks and does not read has them wait in the memory of the sender."""
    monkeypatch.setattr("rankcast_sender.control.originals.WINDOW_BYTES", 1)
    now_s, came = [0.0], Queue[Reply]()
    originals = Originals(2**25, now_s=lambda: now_s[0])
    originals.start()
    try:
        camera.grabbed(Frame(picture(7)))
        replies = []
        for at_s in (0.0, 9.0, 11.0):
            now_s[0] = at_s
            assert originals.ask(camera, 1, came.put)
            replies.append(came.get(timeout=10))
    finally:
        originals.stop()
        originals.worker.join(5)
    assert [reply.ok for reply in replies] == [True, False, True]
    assert "try again in a few seconds" in replies[1].error


@given(
    st.sampled_from([*OPERATIONS, "reboot"]),
    st.sampled_from(["", "left", "right"]),
    st.dictionaries(
        st.sampled_from(
            ["t0", "name", "stream", "sequence", "quality", "bitrate", "gop", "rank", "delivered",
             "lost", "latency_p99_ms", "colour", "threads", "x"]
        ),
        SCALARS,
        max_size=4,
    ),
)  # fmt: skip
def test_whatever_is_asked_is_answered_in_one_line_that_can_be_sent(
    handler: RequestHandler, op: str, camera: str, args: dict[str, Any]
) -> None:
    reply = handler.answer(Request(1, op, camera, args), Client(b"me", OPERATOR), T1, Late())
    if op == "set":
        serve(handler)
    if reply is not None:
        assert "\n" not in reply.error
        assert reply.ok != bool(reply.error)
        pack_reply(reply)


def test_an_operator_triggers_the_recording_of_an_event(camera: Camera) -> None:
    handler = RequestHandler(2**25)
    handler.add(camera)
    refused = ask(handler, "record")
    assert "--pre-trigger S or --post-trigger S" in refused.error
    handler.triggers = triggers = Triggers()
    assert ask(handler, "record").result == {"cause": "control"}
    assert ask(handler, "record", cause="ejector").result == {"cause": "ejector"}
    assert "operator key" in ask(handler, "record", role=VIEWER).error
    assert "cause, which is text" in ask(handler, "record", cause=5).error
    assert "cause, which is text" in ask(handler, "record", more="x").error
    assert "1 to 32 of a-z" in ask(handler, "record", cause="../x").error
    causes = []
    while (trigger := triggers.take()) is not None:
        causes.append(trigger.cause)
    assert causes == ["control", "ejector"]
