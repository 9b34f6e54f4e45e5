"""RequestHandler: who may ask for what, and what is answered to whatever is asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from queue import Queue
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.decoder import Decoder
from rankcast.errors import SettingsError
from rankcast.frame import Frame
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
from rankcast_sender import Publisher
from rankcast_sender.control import OPERATOR, Client, RequestHandler
from rankcast_sender.control.originals import Originals
from rankcast_sender.control.request_handler import VIEWER
from rankcast_sender.sources import Adjustments
from support.fakes import free_address, picture

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
def camera() -> Iterator[Publisher]:
    with Publisher(free_address(), name="left", codec="svd-patch", control="off") as publisher:
        yield publisher


@pytest.fixture(scope="module")
def desk(camera: Publisher) -> RequestHandler:
    desk = RequestHandler(2**25)
    desk.add(camera)
    return desk


def ask(
    desk: RequestHandler, op: str, camera: str = "", role: str | None = OPERATOR, **args: Any
) -> Reply:
    reply = desk.answer(Request(5, op, camera, args), Client(b"me", role), T1, Late())
    assert reply is not None
    assert reply.id == 5
    return reply


@pytest.mark.parametrize("op", OPERATIONS)
def test_a_viewer_may_watch_and_an_operator_may_change(desk: RequestHandler, op: str) -> None:
    late = Late()
    for role, allowed in ((VIEWER, op not in ("set", "original")), (None, False)):
        args = {"t0": 1} if op == "ping" else {}
        reply = desk.answer(Request(1, op, "", args), Client(b"me", role), T1, late)
        assert reply is not None
        assert reply.ok == allowed, reply.error


def test_a_ping_carries_three_clocks(desk: RequestHandler) -> None:
    before = time.time_ns()
    result = ask(desk, "ping", t0=7).result
    assert (result["t0"], result["t1"]) == (7, T1)
    assert before <= int(str(result["t2"])) <= time.time_ns()
    assert not ask(desk, "ping").ok
    assert not ask(desk, "ping", t0=-1).ok
    assert not ask(desk, "ping", t0=True).ok


def test_all_values_or_none_are_set_and_exclusive_ones_replace_each_other(
    desk: RequestHandler,
) -> None:
    assert ask(desk, "set", quality=40, gop=7).result == {"quality": 40, "gop": 7}
    assert not ask(desk, "set", quality=41, gop=0).ok
    assert ask(desk, "get", name="quality").result == {"quality": 40}
    assert ask(desk, "set", psnr=38.0).result == {"psnr": 38.0}
    assert ask(desk, "get", name="quality").result == {"quality": None}
    assert not ask(desk, "set", psnr=38.0, quality=3).ok
    assert not ask(desk, "set").ok
    assert "want" in ask(desk, "set", **{str(n): 1 for n in range(33)}).error


def test_values_of_codec_and_device_are_set_together_once_the_device_took_its_own(
    desk: RequestHandler, camera: Publisher
) -> None:
    adjustments, late = Adjustments({"gain": 1.0}), Late()
    camera.describe("fake", lambda: "live", lambda: adjustments)
    try:
        request = Request(9, "set", "left", {"gain": 4, "gop": 11})
        assert desk.answer(request, Client(b"me", OPERATOR), T1, late) is None
        assert ask(desk, "get", name="gop").result != {"gop": 11}
        assert "under way" in ask(desk, "set", gop=5).error
        adjustments.serve(lambda wanted: {"gain": float(wanted["gain"])})
        assert late.replies == [Reply(9, True, result={"gop": 11, "gain": 4.0})]
        assert ask(desk, "get", name="gain").result == {"gain": 4.0}
        assert ask(desk, "get", name="gop").result == {"gop": 11}
        adjustments.close()
        assert "takes no changes" in ask(desk, "set", gain=2).error
        assert ask(desk, "set", gop=12).ok
    finally:
        camera.describe("", lambda: "live")


def test_the_log_says_who_changed_what(camera: Publisher, caplog: pytest.LogCaptureFixture) -> None:
    """An audit trail that says only `a client` is none."""
    desk = RequestHandler(2**25)
    desk.add(camera)
    caplog.set_level(logging.INFO, "rankcast_sender.control.change_log")
    adjustments, late = Adjustments({"gain": 1.0}), Late()
    camera.describe("fake", lambda: "live", lambda: adjustments)
    try:
        for key, args in (("anna", {"gop": 9}), ("", {"gop": 8}), ("bob", {"gain": 2.0})):
            desk.answer(Request(1, "set", "", args), Client(b"me", OPERATOR, key), T1, late)
        adjustments.serve(dict)
        # What changes nothing is nobody's change.
        desk.answer(Request(1, "set", "", {"gop": 8}), Client(b"me", OPERATOR, "eve"), T1, late)
        desk.answer(Request(1, "set", "", {"gain": 2.0}), Client(b"me", OPERATOR, "eve"), T1, late)
        adjustments.serve(dict)
        desk.answer(Request(1, "set", "", {"gop": 7}), Client(b"me", VIEWER, "eve"), T1, late)
        desk.answer(Request(1, "set", "", {"gop": 0}), Client(b"me", OPERATOR, "eve"), T1, late)
    finally:
        camera.describe("", lambda: "live")
    assert [record.getMessage() for record in caplog.records] == [
        "left: anna (operator) set gop = 9",
        "left: somebody (no keys) set gop = 8",
        "left: bob (operator) set gain = 2.0",
    ]


def test_a_key_frame_is_asked_for_by_stream_and_sequence(
    desk: RequestHandler, camera: Publisher
) -> None:
    assert ask(desk, "keyframe").result == {"coming": True, "sequence": None}
    assert ask(desk, "keyframe", stream=camera.stream_id, sequence=5).result["coming"]
    assert not ask(desk, "keyframe", stream=bytes(16), sequence=5).result["coming"]
    assert not ask(desk, "keyframe", stream=b"short").ok


def test_reports_show_in_the_status(desk: RequestHandler) -> None:
    assert ask(desk, "report", delivered=5, lost=2, latency_p99_ms=12).ok
    assert not ask(desk, "report", delivered=-5).ok
    assert not ask(desk, "report", latency_p99_ms=float("nan")).ok
    status = ask(desk, "status").result
    assert status["reports"] == {"viewers": 1, "lost": 2, "latency_p99_ms": 12.0}
    assert (status["name"], status["cameras"]) == ("left", {"left": "live"})


@pytest.mark.parametrize(("said_ms", "told_ms"), [(-0.4, 0.0), (1e300, 1e9)])
def test_no_report_of_a_viewer_makes_a_status_that_others_refuse(
    desk: RequestHandler, camera: Publisher, said_ms: float, told_ms: float
) -> None:
    assert ask(desk, "report", latency_p99_ms=said_ms).ok
    packet = pack_status(Kind.STATUS, camera.stream_id, camera.status(), 1, 2)
    assert parse_status(unpack(packet)).viewers_latency_p99_ms == told_ms


def test_of_two_cameras_one_must_be_named_and_no_name_comes_twice() -> None:
    both = RequestHandler(2**25)
    with (
        Publisher(free_address(), name="a", codec="raw", control="off") as a,
        Publisher(free_address(), name="b", codec="raw", control="off") as b,
    ):
        both.add(a)
        both.add(b)
        with pytest.raises(SettingsError, match="two cameras named b"):
            both.add(b)
        assert set(ask(both, "status").result) == {"cameras"}
        assert ask(both, "status", "b").result["name"] == "b"
        assert ask(both, "get").error == "got no camera, want one of a, b"
        assert ask(both, "get", "c").error == "got camera c, this sender has a, b"


def test_an_original_that_was_sent_as_an_array_is_copied_for_who_waits() -> None:
    desk, late = RequestHandler(2**25), Late()
    with Publisher(free_address(), codec="raw", control="off") as camera:
        desk.add(camera)
        desk.start()
        try:
            assert desk.answer(Request(1, "original"), Client(b"me", OPERATOR), T1, late) is None
            image = picture(7)
            deadline = time.monotonic() + 10
            while not late.replies and time.monotonic() < deadline:
                image[:] = 7
                camera.send(image)
                image[:] = 99  # its owner goes on with the same memory
        finally:
            desk.close()
    (reply,) = late.replies
    assert reply.ok, reply.error
    assert (Decoder().decode(reply.packet) == 7).all()


def test_originals_are_given_out_within_a_budget_of_bytes(
    camera: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that asks and does not read has them wait in the memory of the sender."""
    monkeypatch.setattr("rankcast_sender.control.originals.WINDOW_BYTES", 1)
    now_s, came = [0.0], Queue[Reply]()
    originals = Originals(2**25, now_s=lambda: now_s[0])
    originals.start()
    try:
        camera.send(Frame(picture(7)))
        replies = []
        for at_s in (0.0, 9.0, 11.0):
            now_s[0] = at_s
            assert originals.ask(camera, 1, came.put)
            replies.append(came.get(timeout=10))
    finally:
        originals.close()
    assert [reply.ok for reply in replies] == [True, False, True]
    assert "ask again a little later" in replies[1].error


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
    desk: RequestHandler, op: str, camera: str, args: dict[str, Any]
) -> None:
    reply = desk.answer(Request(1, op, camera, args), Client(b"me", OPERATOR), T1, Late())
    if reply is not None:
        assert "\n" not in reply.error
        assert reply.ok != bool(reply.error)
        pack_reply(reply)
