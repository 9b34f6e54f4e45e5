"""FloodLimit: what happens to a peer that sends too many messages."""

from __future__ import annotations

from typing import Any

import pytest
import zmq

from rankcast_sender.peers import FloodLimit, Watch, flood_limit
from support.clock import Clock

RATE, BURST = 100, 500


class Message:
    """A message of a connection, as far as its limits go."""

    def __init__(self, descriptor: int, user: str = "") -> None:
        self.descriptor = descriptor
        self._facts: dict[Any, Any] = {
            "User-Id": user, "Peer-Address": "10.0.0.9", zmq.SRCFD: descriptor
        }  # fmt: skip

    def get(self, name: Any) -> Any:
        return self._facts[name]


class Limited:
    """A limit, and what it did."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, keys: bool) -> None:
        self.clock = Clock()
        self.cut: list[int] = []
        self.bans: list[tuple[str, str]] = []
        self.rebound = 0
        self.watch = Watch(5555, 1000, "requests", "")
        monkeypatch.setattr(flood_limit, "cut", self._cut)
        ban = (lambda user, why: self.bans.append((user, why))) if keys else None
        self.limit = FloodLimit(5555, RATE, ban, self._rebind, self.clock)

    def _cut(self, descriptor: int, port: int) -> bool:
        assert port == 5555
        self.cut.append(descriptor)
        return True

    def _rebind(self) -> None:
        self.rebound += 1

    def send(self, count: int, descriptor: int, user: str = "") -> int:
        """Return how many of so many messages are admitted."""
        message: Any = Message(descriptor, user)
        return sum(self.limit.admits(message, descriptor, self.watch) for _ in range(count))


def test_without_keys_each_connection_has_its_own_limit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    limited = Limited(monkeypatch, keys=False)
    assert limited.send(1000, 7, "says it is anna") == BURST
    assert limited.send(10, 8, "says it is anna") == 10
    assert (limited.cut, limited.limit.dropped, limited.rebound) == ([7], 500, 0)
    assert [record.getMessage() for record in caplog.records] == [
        "10.0.0.9 sent more than 100 messages a second to port 5555: its connection was closed"
    ]


def test_with_keys_the_connections_of_a_key_share_one_and_the_key_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limited = Limited(monkeypatch, keys=True)
    assert limited.send(300, 7, "anna") + limited.send(300, 8, "anna") == BURST
    assert limited.send(300, 9, "bert") == 300
    assert limited.cut == [8]
    assert limited.bans == [("anna", "it sent more than 100 messages a second to port 5555")]


def test_messages_of_a_connection_that_the_guard_has_ended_have_the_key_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limited = Limited(monkeypatch, keys=True)
    limited.watch.ended_s[7] = 0.0
    monkeypatch.setattr(Watch, "is_ended", lambda _, descriptor: descriptor == 7)
    assert limited.send(3, 7, "anna") == 0
    assert limited.bans[0] == ("anna", "it sent port 5555 more requests than allowed")
    assert limited.send(3, 8, "bert") == 3


def test_a_new_connection_does_not_pay_for_an_older_one_with_its_descriptor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limited = Limited(monkeypatch, keys=False)
    limited.watch.accepted_s[7] = limited.clock()
    assert limited.send(1000, 7) == BURST
    assert limited.cut == [], "the messages may be the older one's"
    limited.clock.advance(flood_limit.SETTLED_S)
    limited.send(1000, 7)
    assert limited.cut == [7]


def test_where_no_single_connection_can_be_closed_all_are_but_not_all_the_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    limited = Limited(monkeypatch, keys=False)
    monkeypatch.setattr(flood_limit, "CAN_CUT", False)
    for _ in range(100):
        limited.send(1000, 7)
        limited.clock.advance(0.1)
    assert limited.cut == []
    assert limited.rebound == 2, "in 10 s"
    assert "all connections were closed" in caplog.records[0].getMessage()
