"""Who is sent a catch-up, and how much one key or address gets of them."""

from __future__ import annotations

from typing import Any

import pytest

from rankcast.wire import Status, viewer_topic
from rankcast_sender.sockets import Channel, catch_ups
from rankcast_sender.sockets.catch_ups import CatchUps

TOPIC = viewer_topic(bytes(16), "cam")


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
    for _ in range(5):
        found.join(raw, camera, TOPIC, "10.0.0.7")
    found.join(raw, camera, TOPIC, "10.0.0.8")
    assert len(xpub.sent) == 4, "three of the first, which owes the rest of the third"
    assert joins.plain == [b"10.0.0.7"] * 2


def test_a_subscription_that_names_no_viewer_is_told_to_the_camera_alone() -> None:
    joined: list[bytes] = []
    found, joins, xpub = CatchUps(), FakeJoins(), FakeXpub()
    found.join(_socket(xpub), channel(joins, joined), b"cam/frames\0", "10.0.0.7")
    assert (joined, xpub.sent, joins.plain) == ([b"cam/frames\0"], [], [])


def test_a_camera_without_catch_ups_hears_of_every_viewer() -> None:
    joined: list[bytes] = []
    xpub = FakeXpub()
    CatchUps().join(_socket(xpub), channel(None, joined), TOPIC, "10.0.0.7")
    assert (joined, xpub.sent) == ([TOPIC], [])


def _socket(xpub: FakeXpub) -> Any:
    return xpub
