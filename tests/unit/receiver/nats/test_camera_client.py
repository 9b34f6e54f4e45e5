"""Requests for one camera through a NATS server."""

from __future__ import annotations

from rankcast.wire import Limits, Reply, pack_reply, parse_request
from rankcast_receiver.nats.camera_client import ABSENT_S, CameraClient


class Wire:
    def __init__(self, *, up: bool = True) -> None:
        self.up = up
        self.sent: list[tuple[str, bytes]] = []
        self.now_s = 0.0
        self.client = CameraClient("site", "cam", self._send, Limits(), lambda: self.now_s)

    def _send(self, subject: str, data: bytes) -> bool:
        if self.up:
            self.sent.append((subject, data))
        return self.up


def test_each_request_goes_to_the_subject_of_its_role_with_a_number_of_its_own() -> None:
    wire = Wire()
    assert [wire.client.send("ping", args={"t0": 1}), wire.client.send("set", "x.y")] == [0, 1]
    (viewer, first), (operator, second) = wire.sent
    assert (viewer, operator) == ("rankcast.site.cam.control", "rankcast.site.cam.control.operator")
    assert [parse_request(data).id for data in (first, second)] == [0, 1]
    assert parse_request(second).camera == "cam"


def test_requests_for_a_substream_name_it_and_go_to_the_subject_of_its_camera() -> None:
    wire = Wire()
    wire.client.send("keyframe", "site.cam.sub")
    ((subject, data),) = wire.sent
    assert subject == "rankcast.site.cam.control"
    assert parse_request(data).camera == "cam.sub"


def test_without_a_connection_nothing_is_sent() -> None:
    assert Wire(up=False).client.send("ping") is None


def test_replies_come_out_once_and_rubbish_is_counted() -> None:
    wire = Wire()
    wire.client.take(memoryview(pack_reply(Reply(3, True))))
    wire.client.take(memoryview(b"rubbish"))
    assert [reply.id for reply in wire.client.replies()] == [3]
    assert wire.client.replies() == []
    assert wire.client.refused == 1


def test_a_camera_is_absent_once_nobody_has_taken_its_requests_for_a_while() -> None:
    wire = Wire()
    wire.client.note_unanswered()
    assert not wire.client.absent
    wire.now_s = ABSENT_S + 0.1
    wire.client.note_unanswered()
    assert wire.client.absent
    wire.client.take(memoryview(pack_reply(Reply(3, True))))
    assert not wire.client.absent
