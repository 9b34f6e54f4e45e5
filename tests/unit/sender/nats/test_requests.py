"""Requests through a NATS server: who may make them, and what is counted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pytest

from rankcast.nats.client import Message
from rankcast.wire import Reply, Request, pack_request, parse_reply
from rankcast_sender.camera import Camera, StreamOptions
from rankcast_sender.control import RequestHandler
from rankcast_sender.nats.presence import Presence
from rankcast_sender.nats.requests import BUDGETS_S, NatsRequests
from support.clock import Clock

INBOX = "_INBOX.client1.reply"
TOKEN = os.urandom(16)
MESSAGES_S = 2000


class Sender:
    """Requests of a sender's cameras, with what was sent and who joined.

    Its clock stands, so that no budget refills while a test asks, however long that takes.
    """

    def __init__(self, *cameras: str) -> None:
        self.sent: list[tuple[str, Reply]] = []
        self.joined: list[tuple[str, bytes]] = []
        self.clock = Clock()
        handler = RequestHandler(1 << 20)
        cameras = cameras or ("cam",)
        for name in cameras:
            handler.add(Camera(StreamOptions(name, "jpeg")))
        self.presence = Presence(cameras)
        self.requests = NatsRequests(
            handler, self.presence, MESSAGES_S,
            lambda subject, data: self.sent.append((subject, parse_reply(data))),
            lambda function, *args: function(*args),
            lambda camera, token: self.joined.append((camera, token)),
            self.clock,
        )  # fmt: skip

    def ask(
        self,
        op: str,
        args: Mapping[str, Any] | None = None,
        channel: str = "control",
        camera: str = "",
        inbox: str = INBOX,
        of: str = "cam",
    ) -> Reply | None:
        data = pack_request(Request(7, op, camera, args or {}))
        before = len(self.sent)
        self.requests.take(Message(f"rankcast.site.{of}.{channel}", data, inbox))
        return self.sent[-1][1] if len(self.sent) > before else None


def test_a_viewer_asks_and_gets_its_reply_where_it_said() -> None:
    sender = Sender()
    reply = sender.ask("get")
    assert reply is not None
    assert (reply.ok, reply.id) == (True, 7)
    assert sender.sent[0][0] == INBOX


def test_watching_joins_once_and_leaving_ends_it() -> None:
    sender = Sender()
    for _ in range(3):
        reply = sender.ask("watch", {"token": TOKEN})
        assert reply is not None
        assert reply.ok
    assert sender.joined == [("cam", TOKEN)]
    sender.ask("watch", {"token": TOKEN, "leave": True})
    assert sender.presence.viewers("cam", 0.0) == 0


@pytest.mark.parametrize(
    "args",
    [
        {}, {"token": b"short"}, {"token": "text"}, {"token": TOKEN, "leave": 1},
        {"token": TOKEN, "x": 1},
    ],
)  # fmt: skip
def test_a_malformed_watch_is_refused(args: Mapping[str, Any]) -> None:
    sender = Sender()
    reply = sender.ask("watch", args)
    assert reply is not None
    assert not reply.ok
    assert "watch takes token" in reply.error
    assert not sender.joined


@pytest.mark.parametrize("op", ["set", "original", "record"])
def test_what_changes_a_sender_is_refused_on_the_subject_of_viewers(op: str) -> None:
    reply = Sender().ask(op, {"quality": 3} if op == "set" else {})
    assert reply is not None
    assert not reply.ok
    assert "rankcast.site.cam.control.operator" in reply.error


def test_a_substream_is_watched_by_its_own_name_on_the_subject_of_its_camera() -> None:
    sender = Sender()
    sender.presence.add("cam.sub")
    reply = sender.ask("watch", {"token": TOKEN}, camera="cam.sub")
    assert reply is not None
    assert reply.ok
    assert sender.joined == [("cam.sub", TOKEN)]
    assert [sender.presence.viewers(name, 0.0) for name in ("cam", "cam.sub")] == [0, 1]


def test_watching_a_stream_that_is_not_there_is_refused_and_costs_the_sender_nothing() -> None:
    sender = Sender()
    for args in ({"token": TOKEN}, {"token": TOKEN, "leave": True}):
        reply = sender.ask("watch", args, camera="cam.none")
        assert reply is not None
        assert "there is no stream cam.none" in reply.error
    assert sender.ask("watch", {"token": TOKEN}, camera="other.sub") is None
    assert (sender.joined, sender.requests.refused) == ([], 1)


def test_bytes_that_are_no_request_get_no_reply_and_are_counted() -> None:
    sender = Sender()
    sender.requests.take(Message("rankcast.site.cam.control", b"rubbish", INBOX))
    assert sender.ask("get", camera="other") is None
    assert sender.requests.refused == 2
    assert not sender.sent


@pytest.mark.parametrize(
    "inbox",
    ["rankcast.site.cam.frames", "rankcast.site.cam.status", "$JS.API.X", "_INBOX", "x"],
)
def test_no_viewer_makes_a_camera_publish_elsewhere_than_in_an_inbox(inbox: str) -> None:
    sender = Sender()
    assert sender.ask("get", inbox=inbox) is None
    sender.ask("watch", {"token": TOKEN}, inbox=inbox)
    assert sender.requests.refused == 2
    assert (sender.sent, sender.joined) == ([], [])


def test_a_request_that_wants_no_reply_is_carried_out() -> None:
    sender = Sender()
    assert sender.ask("watch", {"token": TOKEN}, inbox="") is None
    assert (sender.joined, sender.requests.refused) == ([("cam", TOKEN)], 0)


def test_a_client_beyond_its_budget_gets_no_replies_and_costs_no_other() -> None:
    sender = Sender()
    replies = [sender.ask("ping", {"t0": 1}) for _ in range(2 * BUDGETS_S["ping"])]
    assert sum(reply is not None for reply in replies) < 1.5 * BUDGETS_S["ping"]
    assert sender.requests.dropped > 0
    assert sender.ask("ping", {"t0": 1}, inbox="_INBOX.client2.reply") is not None


@pytest.mark.parametrize("op", ["watch", "ping", "status"])
def test_a_viewer_of_32_cameras_gets_every_reply_of_each(op: str) -> None:
    cameras = [f"cam{number}" for number in range(32)]
    sender = Sender(*cameras)
    args = {"watch": {"token": TOKEN}, "ping": {"t0": 1}, "status": {}}[op]
    for _ in range(10):
        for name in cameras:
            assert sender.ask(op, args, of=name, inbox=f"_INBOX.client1.default.{name}") is not None
    assert sender.requests.dropped == 0


def test_names_of_no_stream_share_one_budget() -> None:
    sender = Sender()
    names = [f"cam.made{number}" for number in range(10 * BUDGETS_S["ping"])]
    for name in names:
        sender.ask("watch", {"token": TOKEN}, camera=name)
    assert sender.requests.dropped > 8 * BUDGETS_S["watch"]
    assert sender.ask("watch", {"token": TOKEN}) is not None


def test_all_requests_together_are_bounded_however_many_cameras_they_are_for() -> None:
    cameras = [f"cam{number}" for number in range(200)]
    sender = Sender(*cameras)
    for _ in range(20):
        for name in cameras:
            sender.ask("watch", {"token": TOKEN}, of=name)
    assert len(sender.sent) == MESSAGES_S
    assert sender.requests.dropped == 20 * len(cameras) - MESSAGES_S
    sender.clock.advance(0.5)
    for name in cameras:
        for _ in range(10):
            sender.ask("watch", {"token": TOKEN}, of=name)
    assert len(sender.sent) == 1.5 * MESSAGES_S
