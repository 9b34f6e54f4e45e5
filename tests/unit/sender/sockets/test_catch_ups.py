"""Who is sent a catch-up, and how much one key or address gets of them."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from rankcast.wire import Status, viewer_topic
from rankcast_sender.sockets import Channel, catch_ups
from rankcast_sender.sockets.audience import Audience
from rankcast_sender.sockets.catch_ups import MOST_AT_ONCE, CatchUps

TOPIC = viewer_topic(bytes(16), "cam")


def audience_of(*peers: str) -> Audience:
    """An audience with one viewer of each peer, whose topics are `topic_of`."""
    audience = Audience(["cam"])
    for peer in peers:
        audience.take(b"\1" + topic_of(peer), partial(str, peer))
    return audience


def topic_of(peer: str) -> bytes:
    return viewer_topic(peer.encode().ljust(16, b"."), "cam")


class FakeXpub:
    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, message: bytes, _flags: int) -> None:
        self.sent.append(message)


class FakeJoins:
    """Has a catch-up of a hundred bytes for everybody."""

    def __init__(self) -> None:
        self.plain: list[bytes] = []

    def sent(self, data: bytes, sequence: int) -> None: ...

    def restarted(self) -> None: ...

    def joined(self, topic: bytes) -> bytes | None:  # noqa: ARG002
        return bytes(100)

    def joined_plainly(self, peer: bytes) -> None:
        self.plain.append(peer)


def channel(joins: FakeJoins | None, joined: list[bytes]) -> Channel:
    return Channel("cam", bytes(16), lambda _: Status(), lambda: None, lambda _: None,
                   joined.append, joins=joins)  # fmt: skip


def test_a_key_or_address_that_has_had_its_catch_ups_gets_key_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catch_ups, "BYTES_AT_ONCE", 250)
    monkeypatch.setattr(catch_ups, "BYTES_S", 0)
    found, joins, xpub = CatchUps(), FakeJoins(), FakeXpub()
    camera, raw = channel(joins, []), _socket(xpub)
    audience = audience_of("10.0.0.7", "10.0.0.8")
    for _ in range(5):
        found.join(raw, camera, topic_of("10.0.0.7"), "10.0.0.7", audience)
    found.join(raw, camera, topic_of("10.0.0.8"), "10.0.0.8", audience)
    assert len(xpub.sent) == 4, "three of the first, which owes the rest of the third"
    assert joins.plain == [b"10.0.0.7"] * 2


def test_a_subscription_that_names_no_viewer_is_told_to_the_camera_alone() -> None:
    joined: list[bytes] = []
    found, joins, xpub = CatchUps(), FakeJoins(), FakeXpub()
    found.join(_socket(xpub), channel(joins, joined), b"cam/frames\0", "10.0.0.7", audience_of())
    assert (joined, xpub.sent, joins.plain) == ([b"cam/frames\0"], [], [])


def test_a_camera_without_catch_ups_hears_of_every_viewer() -> None:
    joined: list[bytes] = []
    xpub = FakeXpub()
    CatchUps().join(_socket(xpub), channel(None, joined), TOPIC, "10.0.0.7", audience_of())
    assert (joined, xpub.sent) == ([TOPIC], [])


def test_those_that_waited_for_a_reference_are_served_from_the_same_budget_a_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catch_ups, "BYTES_AT_ONCE", 550)
    monkeypatch.setattr(catch_ups, "BYTES_S", 0)
    found, joins, xpub = CatchUps(), FakeJoins(), FakeXpub()
    camera, audience = channel(joins, []), audience_of("10.0.0.7")
    for _ in range(MOST_AT_ONCE + 1):
        found.ask(camera, b"10.0.0.7".ljust(16, b"."))
    found.ask(camera, b"has left".ljust(16, b"."))
    found.send(_socket(xpub), audience)
    assert found.waits
    found.send(_socket(xpub), audience)
    assert not found.waits
    assert len(xpub.sent) == 6
    assert joins.plain == [b"10.0.0.7"] * 3


def test_a_viewer_beyond_those_that_are_counted_gets_a_key_frame() -> None:
    found, joins, xpub = CatchUps(), FakeJoins(), FakeXpub()
    found.join(_socket(xpub), channel(joins, []), TOPIC, "10.0.0.7", audience_of())
    assert (xpub.sent, joins.plain) == ([], [b"10.0.0.7"])


def _socket(xpub: FakeXpub) -> Any:
    return xpub
